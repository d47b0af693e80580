//! Attachments as JSON.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ids::{AttachmentId, ConversationId},
    store::attachments::Attachment,
};

/// An attachment.
#[derive(Serialize, ToSchema)]
pub struct File {
    id: AttachmentId,
    name: String,
    /// The type of a picture; `application/octet-stream` for any other file.
    media_type: String,
    bytes: i64,
    /// The size of a picture in pixels.
    #[schema(required)]
    width: Option<i64>,
    /// The size of a picture in pixels.
    #[schema(required)]
    height: Option<i64>,
    /// The path of the file, for participants of the conversation.
    url: String,
}

impl File {
    /// Converts an attachment of this conversation.
    pub fn new(file: &Attachment, conversation: ConversationId) -> Self {
        let (width, height) = file.size.unzip();
        File {
            id: file.id,
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            bytes: file.bytes,
            width,
            height,
            url: path(file, conversation),
        }
    }
}

/// Returns the path of a file, for participants of its conversation. The name at the end is for people to read.
pub fn path(file: &Attachment, conversation: ConversationId) -> String {
    format!("/files/{conversation}/{}/{}", file.id, utf8_percent_encode(&file.name, NON_ALPHANUMERIC))
}
