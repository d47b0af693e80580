//! Attachments: files that are sent with messages.

use std::sync::Arc;

use axum::{
    extract::{
        Multipart, Path, State,
        multipart::{Field, MultipartError},
    },
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

use crate::{
    Error, Result,
    app::App,
    domain::{
        access::Access,
        attachments::{FileName, MAX_FILE_BYTES},
    },
    http::{
        idempotent::{Idempotent, answer},
        input::from_path,
        session::{ClientAddr, find_or_join},
    },
    ids::{AttachmentId, ConversationId},
    services::files::Incoming,
    store::{
        self,
        attachments::Attachment,
        idempotency::{About, Answer},
    },
    wire::attachments::File,
};

/// A file to be uploaded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses it")]
struct Upload {
    /// The file's bytes; its name is in `filename`.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Uploads a file, to be attached to a message.
///
/// Up to 20 MB. JPEG, PNG, WebP and GIF are encoded again without metadata; other files are only offered for download.
#[utoipa::path(
    post, path = "/attachments", request_body(content = Upload, content_type = "multipart/form-data"),
    responses(
        (status = 201, description = "The file; its id goes into a message’s `attachments`.", body = File),
    ),
)]
pub async fn send(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    access: Access,
    idempotent: Idempotent,
    mut form: Multipart,
) -> Result<Response> {
    app.limits.say(origin, access.account().id)?;
    let participant = find_or_join(&app, &access).await?;
    let conversation = participant.conversation.id;
    app.db.read(move |read| participant.may_send(read)).await?;
    let _turn = app.limits.upload(access.account())?;
    while let Some(field) = form.next_field().await.map_err(|error| upload_error(&error))? {
        if field.name() == Some("file") {
            let (file, hash) = receive(&app, &access, field).await?;
            // A repeated request receives the answer about the first file. The second copy is purged later.
            let about = About::Conversation(conversation);
            let created = Answer { about, ..answer(StatusCode::CREATED, &File::new(&file, conversation))? };
            return idempotent.with_body(&hash).answer(&app, move |_| Ok(created.clone())).await;
        }
    }
    Err(Error::invalid("file", "There is no file in it: send one as multipart/form-data, in the field file."))
}

/// Receives a file; returns it with a hash of the received bytes.
async fn receive(app: &App, access: &Access, mut field: Field<'_>) -> Result<(Attachment, Vec<u8>)> {
    let name = FileName::parse(field.file_name().unwrap_or_default());
    let mut incoming = app.files.receive().await?;
    let mut hash = Sha256::new_with_prefix(name.as_str());
    while let Some(chunk) = field.chunk().await.map_err(|error| upload_error(&error))? {
        if incoming.bytes() + chunk.len() > MAX_FILE_BYTES {
            return Err(too_large());
        }
        hash.update(&chunk);
        incoming.write(&chunk).await?;
    }
    if incoming.bytes() == 0 {
        return Err(Error::invalid("file", "That file is empty."));
    }
    incoming.finish().await?;
    Ok((save(app, access, name, incoming).await?, hash.finalize().to_vec()))
}

/// Encodes a picture again, inserts the row of the file, and stores the bytes.
async fn save(app: &App, access: &Access, name: FileName, incoming: Incoming) -> Result<Attachment> {
    let picture = app.pictures.reencode(incoming.path()).await.map_err(|error| error.about("file"))?;
    let bytes = tokio::fs::metadata(incoming.path()).await.map_err(Error::internal)?.len();
    let access = access.clone();
    let insert = move |tx: &mut crate::events::Tx<'_>| {
        let file = Attachment {
            id: AttachmentId(tx.new_id()),
            name: name.as_str().into(),
            media_type: picture.as_ref().map_or("application/octet-stream", |p| p.media_type).into(),
            bytes: bytes as i64,
            size: picture.as_ref().map(|picture| picture.size),
        };
        access.join(tx)?.send(tx, &file)?;
        Ok(file)
    };
    // The row is inserted before the file is stored: a crash leaves a row that no message refers to, which is purged.
    let file = app.db.write(insert).await?;
    app.files.keep(incoming, file.id).await?;
    Ok(file)
}

fn too_large() -> Error {
    Error::invalid("file", "That file is larger than 20 MB. Send a smaller one.")
}

fn upload_error(error: &MultipartError) -> Error {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        StatusCode::INTERNAL_SERVER_ERROR => Error::TooSlow,
        _ => Error::invalid("file", "That is no multipart/form-data that we can read."),
    }
}

/// `GET /files/{conversation}/{id}/{name}`: for participants of the conversation. Pictures that were encoded here are
/// shown inline; everything else is downloaded.
pub async fn get(
    State(app): State<Arc<App>>,
    account: store::accounts::Account,
    Path((conversation, id, _)): Path<(String, String, String)>,
) -> Result<Response> {
    let (conversation, id): (ConversationId, AttachmentId) = (from_path(&conversation)?, from_path(&id)?);
    let file = app
        .db
        .read(move |read| {
            let access = Access::Conversation { account: account.clone(), id: conversation, kind: None };
            let participant = access.find(read)?;
            participant.ok_or(Error::NotFound)?.attachment(read, id)
        })
        .await?;
    let bytes = tokio::fs::File::open(app.files.path(id)).await.map_err(|_| Error::NotFound)?;
    let name = utf8_percent_encode(&file.name, NON_ALPHANUMERIC);
    let disposition_type = if file.is_image() { "inline" } else { "attachment" };
    let disposition = HeaderValue::try_from(format!("{disposition_type}; filename*=UTF-8''{name}"));
    let mut response = axum::body::Body::from_stream(ReaderStream::new(bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(file.bytes));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::try_from(file.media_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if let Ok(disposition) = disposition {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    // A file never changes. Access is checked whenever the browser's cache does not have the file.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
    Ok(response)
}
