//! The form for a peep: at the top of the stream, and under a peep for a reply.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{field_error, form_error};
use crate::{
    Error, Result,
    app::App,
    domain::accounts::Member,
    ids::{IdempotencyKey, PeepId, random},
    wire::format::initials,
};

/// The form for a peep, with the error of the last attempt.
pub(super) struct Composer {
    pub(super) initials: String,
    pub(super) tone: u64,
    pub(super) body: String,
    pub(super) error: Option<String>,
    pub(super) reply_to: Option<PeepId>,
    pub(super) key: String,
    pub(super) instance_name: String,
}

impl Composer {
    pub(super) fn new(app: &App, viewer: &Member, reply_to: Option<PeepId>) -> Result<Self> {
        Ok(Composer {
            initials: initials(&viewer.account.name),
            tone: viewer.id().tone(),
            body: String::new(),
            error: None,
            reply_to,
            key: BASE64_URL_SAFE_NO_PAD.encode(random::<12>()?),
            instance_name: app.config.name.clone(),
        })
    }

    /// Returns the form with the typed text and the error.
    pub(super) fn refused(self, body: String, key: String, error: &Error) -> Self {
        let sentence = field_error(Some(error), "body")
            .map_or_else(|| form_error(Some(error), &["body"]), |f| Some(f.into()));
        // The key stays the same, because after some errors the peep may have been stored nevertheless.
        // A key that was used for another text is replaced, because it would be refused each time.
        let keeps_key = IdempotencyKey::parse(&key).is_ok() && !matches!(error, Error::Conflict(_));
        let key = if keeps_key { key } else { self.key };
        Composer { body, error: sentence, key, ..self }
    }
}
