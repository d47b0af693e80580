//! Attachments as JSON.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ids::{AttachmentId, ConversationId},
    store::attachments::Attachment,
};

/// A file as programs see it.
#[derive(Serialize, ToSchema)]
pub struct File {
    id: AttachmentId,
    name: String,
    /// Of a picture its type; of anything else `application/octet-stream`.
    media_type: String,
    bytes: i64,
    /// In pixels, of pictures.
    #[schema(required)]
    width: Option<i64>,
    /// In pixels, of pictures.
    #[schema(required)]
    height: Option<i64>,
    /// Where it is fetched, by those who are in the conversation.
    url: String,
}

impl File {
    /// The file of a room.
    pub fn new(file: &Attachment, room: ConversationId) -> Self {
        let (width, height) = file.size.unzip();
        File {
            id: file.id,
            name: file.name.clone(),
            media_type: file.media_type.clone(),
            bytes: file.bytes,
            width,
            height,
            url: path(file, room),
        }
    }
}

/// Where a file is fetched, by those who are in its room. The name at the end is for people.
pub fn path(file: &Attachment, room: ConversationId) -> String {
    format!("/files/{room}/{}/{}", file.id, utf8_percent_encode(&file.name, NON_ALPHANUMERIC))
}
