//! Hooks: addresses by which programs post into a room, in the format of Slack's incoming webhooks:
//! <https://api.slack.com/messaging/webhooks>.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::list::List;
use crate::{
    Error, Result,
    app::App,
    domain::{
        conversations,
        hooks::Caller,
        messages::Body,
        names::Name,
        rooms::{RoomInvitee, RoomMember},
        sessions::Token,
        text::RefusedWords,
    },
    events::Tx,
    http::{
        idempotent::{Post, answer},
        input::{Input, from_path},
        session::{ClientAddr, as_owner},
    },
    ids::HookId,
    store,
    wire::hooks::url,
};

/// A hook as its room's owner sees it. The address is sent once, when the hook is created.
#[derive(Serialize, ToSchema)]
pub struct Hook {
    id: HookId,
    name: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// The address that the program posts to, sent once.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Hook {
    fn new(hook: store::hooks::Hook, url: Option<String>) -> Self {
        Hook { id: hook.id, name: hook.name, created_at: hook.created_at.rfc3339(), url }
    }
}

/// A room’s hooks. For the room’s owner.
#[utoipa::path(
    get, path = "/api/v1/rooms/{key}/hooks",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    responses((status = 200, description = "All of them.", body = List<Hook>)),
)]
pub async fn list(State(app): State<Arc<App>>, room_member: RoomMember) -> Result<List<Hook>> {
    let owner = room_member.owner()?;
    let hooks = app.db.read(move |read| owner.hooks(read)).await?;
    Ok(List::new(hooks.into_iter().map(|hook| Hook::new(hook, None)).collect()))
}

/// A hook to be created.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = NewHook, example = json!({ "name": "Builds" }))]
#[serde(default, deny_unknown_fields)]
pub struct NewHook {
    /// The name that its messages are shown under: 1 to 50 characters.
    #[schema(required, min_length = 1)]
    name: String,
}

/// Creates a hook.
///
/// For the room’s owner. The response has the address that the program posts to, which is sent this once.
#[utoipa::path(
    post, path = "/api/v1/rooms/{key}/hooks",
    params(("key" = String, Path, description = "The key in the room’s link.")),
    request_body = NewHook,
    responses((status = 201, description = "The hook, with its `url`.", body = Hook)),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Post(idempotent, new): Post<NewHook>,
) -> Result<Response> {
    let name = Name::parse(&new.name)?;
    app.limits.say(addr.0, invitee.account.id)?;
    let base = app.config.base_url.clone();
    let create = move |tx: &mut Tx<'_>| {
        let (hook, token) = invitee.join(tx)?.owner()?.open_hook(tx, &name)?;
        answer(StatusCode::CREATED, &Hook::new(hook, Some(url(base.as_str(), &token))))
    };
    idempotent.with_secret().answer(&app, create).await
}

/// Deletes a hook. For the room’s owner.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{key}/hooks/{id}",
    params(
        ("key" = String, Path, description = "The key in the room’s link."),
        ("id" = HookId, Path, description = "The hook’s id."),
    ),
    responses((status = 204, description = "It opens nothing any more.")),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    invitee: RoomInvitee,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode> {
    let id = from_path(&id)?;
    as_owner(&app, addr, &invitee, move |owner, tx| owner.close_hook(tx, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body of a program's post: JSON, or the same JSON in the form field `payload`. Pictures of other hosts
/// (`icon_url`) are not shown, because those hosts would learn who reads the room.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Call {
    payload: Option<String>,
    text: Option<String>,
    username: Option<String>,
    attachments: Option<Vec<Section>>,
}

/// A section of the message, which Slack calls an attachment.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Section {
    pretext: Option<String>,
    title: Option<String>,
    title_link: Option<String>,
    text: Option<String>,
    fallback: Option<String>,
    fields: Option<Vec<SlackField>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SlackField {
    title: Option<String>,
    value: Option<serde_json::Value>,
}

impl Call {
    /// Converts the call to the body of a message.
    pub fn body(&self, refused: &RefusedWords) -> Result<Body> {
        let text = truncate(&self.plain_text());
        if text.trim().is_empty() {
            return Err(Error::invalid("text", "There is no text in it."));
        }
        Body::parse(&text, refused)
    }

    /// Returns the text and all sections as one text.
    fn plain_text(&self) -> String {
        let mut parts: Vec<String> = self.text.iter().map(|text| plain(text)).collect();
        parts.extend(self.attachments.iter().flatten().map(Section::plain_text));
        parts.retain(|part| !part.trim().is_empty());
        parts.join("\n\n")
    }
}

impl Section {
    fn plain_text(&self) -> String {
        let title = match (&self.title, &self.title_link) {
            (Some(title), Some(link)) => Some(format!("{} {link}", plain(title))),
            (Some(title), None) => Some(plain(title)),
            (None, link) => link.clone(),
        };
        let fields = self.fields.iter().flatten().map(|field| {
            let value = match &field.value {
                Some(serde_json::Value::String(value)) => plain(value),
                Some(value) => value.to_string(),
                None => String::new(),
            };
            format!("{}: {value}", field.title.as_deref().map(plain).unwrap_or_default())
        });
        let lines = [self.pretext.as_deref().map(plain), title, self.text.as_deref().map(plain)];
        let lines: Vec<String> = lines.into_iter().flatten().chain(fields).collect();
        match self.fallback.as_deref() {
            Some(fallback) if lines.is_empty() => plain(fallback),
            _ => lines.join("\n"),
        }
    }
}

/// Converts Slack's text to plain text: `<https://x.example|Build 7>` becomes "Build 7 https://x.example", `<!here>`
/// becomes "@here", and the three entities become their characters.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>').map(|at| open + at) else { break };
        out.push_str(&rest[..open]);
        let link = &rest[open + 1..close];
        let (target, label) = link.split_once('|').unwrap_or((link, ""));
        match (target.strip_prefix('!'), label) {
            (Some(special), _) => out.push_str(&format!("@{special}")),
            (None, "") => out.push_str(target),
            (None, label) => out.push_str(&format!("{label} {target}")),
        }
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// `POST /hooks/{token}`: responds with `ok`, as Slack does.
pub async fn call(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    Path(token): Path<String>,
    Input(call): Input<Call>,
) -> Result<&'static str> {
    app.limits.write(origin)?;
    let token = Token::presented(&token);
    let caller = app.db.read(move |read| Caller::find(read, &token)).await?;
    app.limits.hook(caller.bot().id)?;
    let call = match &call.payload {
        Some(payload) => serde_json::from_str(payload)
            .map_err(|_| Error::invalid("payload", "The payload is not the JSON we expect."))?,
        None => call,
    };
    let body = call.body(&app.config.refused_words)?;
    // An invalid name is ignored, because the message matters more.
    let name = call.username.as_deref().and_then(|name| Name::parse(name).ok());
    app.db.write(move |tx| caller.say(tx, &body, name.as_ref())).await?;
    Ok("ok")
}

/// Truncates a text to the length of a message and removes control characters, such as a terminal's colours: programs
/// send them, and would not handle an error.
fn truncate(text: &str) -> String {
    use unicode_segmentation::UnicodeSegmentation;
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    match text.grapheme_indices(true).nth(conversations::MAX_BODY) {
        None => text,
        Some(_) => {
            let end = text.grapheme_indices(true).nth(conversations::MAX_BODY - 1).map_or(0, |(end, _)| end);
            format!("{}…", text[..end].trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_s_markup_is_converted_to_plain_text() {
        for (text, expected) in [
            ("<https://ci.example/7|Build 7> failed", "Build 7 https://ci.example/7 failed"),
            ("<https://ci.example/7>", "https://ci.example/7"),
            ("<!here> look", "@here look"),
            ("a &lt; b &amp;&amp; c", "a < b && c"),
            ("a < b", "a < b"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn the_text_of_an_alert_has_its_title_and_fields() {
        let call: Call = serde_json::from_str(
            r#"{"username":"Alertmanager","attachments":[{"title":"[FIRING:1] Disk","title_link":"http://am.example",
                "text":"Nearly full","fallback":"x","fields":[{"title":"host","value":"quay","short":true},
                {"title":"left","value":3}]}]}"#,
        )
        .expect("an alert");
        assert_eq!(call.plain_text(), "[FIRING:1] Disk http://am.example\nNearly full\nhost: quay\nleft: 3");
        let fallback: Call =
            serde_json::from_str(r#"{"text":null,"attachments":[{"fallback":"Build broke","fields":null}]}"#)
                .expect("a fallback");
        assert_eq!(fallback.plain_text(), "Build broke");
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let truncated = truncate(&"👨‍👩‍👧‍👦".repeat(5000));
        assert!(Body::parse(&truncated, &RefusedWords::default()).is_ok() && truncated.ends_with('…'));
        assert_eq!(truncate("a\u{1b}[31mb"), "a[31mb");
    }
}
