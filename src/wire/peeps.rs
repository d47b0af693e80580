//! Peeps and their authors as the entities of Mastodon's client API:
//! <https://docs.joinmastodon.org/entities/Status/>.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::markup;
use crate::{
    assets,
    clock::Time,
    domain::text::{Segment, segments},
    ids::{AccountId, PeepId},
    store::{
        accounts::AccountKind,
        peeps::{Author, Peep, Version},
    },
};

/// A peep.
#[derive(Serialize, ToSchema)]
pub struct Status {
    id: PeepId,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime, required)]
    edited_at: Option<String>,
    #[schema(required)]
    in_reply_to_id: Option<PeepId>,
    #[schema(required)]
    in_reply_to_account_id: Option<AccountId>,
    sensitive: bool,
    spoiler_text: &'static str,
    visibility: &'static str,
    #[schema(required)]
    language: Option<&'static str>,
    uri: String,
    url: String,
    replies_count: i64,
    reblogs_count: i64,
    favourites_count: i64,
    favourited: bool,
    reblogged: bool,
    muted: bool,
    bookmarked: bool,
    pinned: bool,
    content: String,
    text: String,
    #[schema(value_type = Option<Object>, required)]
    reblog: Option<Value>,
    #[schema(value_type = Option<Object>, required)]
    application: Option<Value>,
    account: Account,
    #[schema(value_type = Vec<Object>)]
    media_attachments: [Value; 0],
    mentions: Vec<Mention>,
    tags: Vec<Tag>,
    #[schema(value_type = Vec<Object>)]
    emojis: [Value; 0],
    #[schema(value_type = Vec<Object>)]
    filtered: [Value; 0],
    #[schema(value_type = Option<Object>, required)]
    card: Option<Value>,
    #[schema(value_type = Option<Object>, required)]
    poll: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Mention)]
struct Mention {
    id: AccountId,
    username: String,
    acct: String,
    url: String,
}

#[derive(Serialize, ToSchema)]
struct Tag {
    name: String,
    url: String,
}

/// The author of a peep.
#[derive(Serialize, ToSchema)]
#[schema(as = Author)]
pub struct Account {
    id: AccountId,
    username: String,
    acct: String,
    display_name: String,
    locked: bool,
    bot: bool,
    group: bool,
    discoverable: bool,
    #[schema(format = DateTime)]
    created_at: String,
    note: &'static str,
    url: String,
    uri: String,
    avatar: String,
    avatar_static: String,
    header: &'static str,
    header_static: &'static str,
    followers_count: i64,
    following_count: i64,
    statuses_count: i64,
    #[schema(required)]
    last_status_at: Option<String>,
    #[schema(value_type = Vec<Object>)]
    emojis: [Value; 0],
    #[schema(value_type = Vec<Object>)]
    fields: [Value; 0],
}

impl Account {
    pub fn new(author: &Author, base: &str) -> Self {
        let url = format!("{base}/@{}", author.username);
        let avatar = format!("{base}/assets/{}/img/mark.svg", *assets::VERSION);
        Account {
            id: author.id,
            username: author.username.clone(),
            acct: author.username.clone(),
            display_name: author.name.clone(),
            locked: false,
            bot: author.kind == AccountKind::Bot,
            group: false,
            discoverable: true,
            created_at: author.created_at.rfc3339(),
            note: "",
            uri: url.clone(),
            url,
            avatar_static: avatar.clone(),
            avatar,
            header: "",
            header_static: "",
            followers_count: 0,
            following_count: 0,
            statuses_count: 0,
            last_status_at: None,
            emojis: [],
            fields: [],
        }
    }
}

impl Status {
    /// Converts a peep as its viewer sees it. `base` is the base URL.
    pub fn new(peep: Peep, base: &str) -> Self {
        let url = format!("{base}/@{}/{}", peep.author.username, peep.id);
        let pieces = segments(&peep.body);
        let tags = pieces.iter().filter_map(|piece| match piece {
            Segment::Tag(_, tag) => Some(Tag { name: tag.clone(), url: markup::tag_path(base, tag) }),
            _ => None,
        });
        // An edit may have removed a mention.
        let is_mentioned = |username: &str| {
            pieces.iter().any(|piece| matches!(piece, Segment::Mention(_, name) if name == username))
        };
        let mentions = peep.mentions.iter().filter(|m| is_mentioned(&m.username)).map(|m| Mention {
            id: m.id,
            username: m.username.clone(),
            acct: m.username.clone(),
            url: format!("{base}/@{}", m.username),
        });
        Status {
            id: peep.id,
            created_at: peep.created_at.rfc3339(),
            edited_at: peep.edited_at.map(Time::rfc3339),
            in_reply_to_id: peep.reply_to.as_ref().map(|p| p.id),
            in_reply_to_account_id: peep.reply_to.as_ref().map(|p| p.account_id),
            sensitive: false,
            spoiler_text: "",
            visibility: "public",
            language: None,
            uri: url.clone(),
            url,
            replies_count: peep.replies,
            reblogs_count: 0,
            favourites_count: peep.likes,
            favourited: peep.liked,
            reblogged: false,
            muted: false,
            bookmarked: false,
            pinned: false,
            content: format!("<p>{}</p>", markup::html(&peep.body, &peep.mentions, base)),
            reblog: None,
            application: None,
            account: Account::new(&peep.author, base),
            media_attachments: [],
            mentions: mentions.collect(),
            tags: tags.collect(),
            emojis: [],
            filtered: [],
            card: None,
            poll: None,
            text: peep.body,
        }
    }
}

/// The conversation around a peep.
#[derive(Serialize, ToSchema)]
pub struct Context {
    /// The peeps that it replies to, directly and indirectly, the first one first.
    pub ancestors: Vec<Status>,
    /// The replies to it, oldest first.
    pub descendants: Vec<Status>,
}

/// A version of a peep.
#[derive(Serialize, ToSchema)]
pub struct StatusEdit {
    content: String,
    spoiler_text: &'static str,
    sensitive: bool,
    #[schema(format = DateTime)]
    created_at: String,
    account: Account,
    #[schema(value_type = Vec<Object>)]
    media_attachments: [Value; 0],
    #[schema(value_type = Vec<Object>)]
    emojis: [Value; 0],
}

impl StatusEdit {
    /// Converts a version of `peep`. `base` is the base URL.
    pub fn new(version: &Version, peep: &Peep, base: &str) -> Self {
        StatusEdit {
            content: format!("<p>{}</p>", markup::html(&version.body, &peep.mentions, base)),
            spoiler_text: "",
            sensitive: false,
            created_at: version.created_at.rfc3339(),
            account: Account::new(&peep.author, base),
            media_attachments: [],
            emojis: [],
        }
    }
}
