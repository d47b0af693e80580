//! A peep with its conversation, and the forms to post, edit, delete and like.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    NavItem, Shell,
    composer::Composer,
    on_this_site, page, page_with, render_form_error,
    stream::{Paging, stream_page},
};
use crate::{
    Error, Result,
    app::App,
    domain::{
        self,
        accounts::Member,
        peeps::{Body, Conversation, Draft},
        text::RefusedWords,
        viewer::Viewer,
    },
    http::{
        input::{Input, from_path},
        respond::{FRAGMENT, status_and_headers},
        session::{Caller, ClientAddr},
    },
    ids::{IdempotencyKey, PeepId},
    store::peeps::Peep,
    wire::{
        filters,
        format::{self, date_and_time},
        markup,
        peep_card::{self, Card},
    },
};

#[derive(Template)]
#[template(path = "conversation.html")]
struct ConversationPage {
    shell: Shell,
    title: String,
    above: Vec<Card>,
    card: Card,
    below: Vec<Card>,
    composer: Option<Composer>,
    seq: i64,
}

/// `GET /@{username}/{id}`
pub async fn permalink(
    State(app): State<Arc<App>>,
    Path((username, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response> {
    let id: PeepId = from_path(&id)?;
    let member = caller.member();
    let composer = member.as_ref().map(|member| Composer::new(&app, member, Some(id))).transpose()?;
    let conversation = conversation_page(&app, &caller, id, composer).await?;
    let author = &conversation.card.peep.author.username;
    if *author != username {
        return Ok(Redirect::permanent(&format!("/@{author}/{id}")).into_response());
    }
    let status = if conversation.card.peep.deleted_at.is_some() { StatusCode::GONE } else { StatusCode::OK };
    page_with(status, &conversation)
}

async fn conversation_page(
    app: &App,
    caller: &Caller,
    id: PeepId,
    composer: Option<Composer>,
) -> Result<ConversationPage> {
    let member = caller.member();
    let viewer = caller.viewer();
    let (seq, conversation) = app
        .db
        .read(move |read| {
            let seq = domain::peeps::last_seq(read)?;
            Ok((seq, domain::peeps::conversation(read, viewer, id)?))
        })
        .await?;
    let Conversation { above, peep, below } = conversation;
    let now = app.clock.now();
    let card = |peep| Card::new(peep, member.as_ref(), now);
    let in_order = |peeps: Vec<Peep>| {
        let mut cards: Vec<Card> = Vec::with_capacity(peeps.len());
        for peep in peeps {
            cards.push(card(peep).below(cards.last()));
        }
        cards
    };
    let lead = card(peep).lead();
    let mut below = in_order(below);
    if let Some(first) = below.first_mut() {
        let first_reply = std::mem::replace(first, card(lead.peep.clone()));
        *first = first_reply.below(Some(&lead));
    }
    let is_deleted = lead.peep.deleted_at.is_some();
    Ok(ConversationPage {
        shell: Shell::new(app, caller, NavItem::Elsewhere).await?,
        title: if is_deleted {
            "A deleted peep".into()
        } else {
            format!("{}: {}", lead.peep.author.name, format::excerpt(&lead.peep.body, 60))
        },
        above: in_order(above),
        composer: composer.filter(|_| !is_deleted),
        card: lead,
        below,
        seq,
    })
}

/// The form to post a peep.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct PostForm {
    body: String,
    reply_to: String,
    idempotency_key: String,
}

impl PostForm {
    fn reply_to(&self) -> Result<Option<PeepId>> {
        let id = Some(self.reply_to.as_str()).filter(|id| !id.is_empty());
        id.map(|id| id.parse().map_err(|_| Error::invalid("reply_to", "There is no such peep."))).transpose()
    }

    fn draft(&self, refused: &RefusedWords) -> Result<Draft> {
        let key = Some(self.idempotency_key.as_str()).filter(|key| !key.is_empty());
        Ok(Draft {
            body: Body::parse(&self.body, refused)?,
            reply_to: self.reply_to()?,
            idempotency_key: key.map(IdempotencyKey::parse).transpose()?,
        })
    }
}

/// `POST /peeps`
pub async fn post(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    headers: HeaderMap,
    Input(form): Input<PostForm>,
) -> Result<Response> {
    let by_script = headers.contains_key(FRAGMENT);
    let posted =
        match app.limits.post(origin, member.id()).and_then(|_| form.draft(&app.config.refused_words)) {
            Ok(draft) => {
                let author = member.clone();
                app.db.write(move |tx| author.post(tx, &draft)).await
            }
            Err(error) => Err(error),
        };
    match posted {
        Ok(peep) if by_script => {
            let fragment = peep_card::fragment(peep, Some(&member), app.clock.now());
            Ok((StatusCode::CREATED, Html(fragment)).into_response())
        }
        Ok(Peep { reply_to: None, .. }) => Ok(Redirect::to(app.config.stream_path()).into_response()),
        Ok(peep) => Ok(Redirect::to(&format!("/@{}/{}", peep.author.username, peep.id)).into_response()),
        Err(error) if by_script => Err(error),
        Err(error) => refused_post(&app, member, form, error).await,
    }
}

/// Renders the page of the form again, with the typed text.
async fn refused_post(app: &App, member: Member, form: PostForm, error: Error) -> Result<Response> {
    let reply_to = form.reply_to().unwrap_or_default();
    let composer = |reply_to| -> Result<_> {
        let composer = Composer::new(app, &member, reply_to)?;
        Ok(Some(composer.refused(form.body.clone(), form.idempotency_key.clone(), &error)))
    };
    if let Some(parent) = reply_to {
        match conversation_page(app, &Caller::from(&member), parent, composer(reply_to)?).await {
            Ok(page) if page.composer.is_some() => {
                return render_form_error(status_and_headers(&error), &page);
            }
            // The peep to be answered was deleted, so the form above the stream keeps the text.
            Ok(_) | Err(Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    let page = stream_page(app, &Caller::from(&member), &Paging::default(), composer(None)?).await?;
    render_form_error(status_and_headers(&error), &page)
}

#[derive(Template)]
#[template(path = "edit.html")]
struct EditPage {
    shell: Shell,
    id: PeepId,
    path: String,
    body: String,
    error: Option<String>,
}

/// `GET /@{username}/{id}/edit`
pub async fn edit_form(
    State(app): State<Arc<App>>,
    Path((_, id)): Path<(String, String)>,
    member: Member,
) -> Result<Response> {
    let (id, viewer) = (from_path(&id)?, Viewer::from(&member));
    let peep = app.db.read(move |read| domain::peeps::existing(read, viewer, id)).await?;
    if peep.author.id != member.id() {
        return Err(Error::Forbidden("Only the one who wrote a peep can change it."));
    }
    let path = format!("/@{}/{id}", peep.author.username);
    let shell = Shell::new(&app, &Caller::from(&member), NavItem::Elsewhere).await?;
    page(&EditPage { shell, id, path, body: peep.body, error: None })
}

/// The form to edit a peep.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct EditForm {
    body: String,
}

/// `POST /peeps/{id}`
pub async fn edit(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(form): Input<EditForm>,
) -> Result<Response> {
    let id: PeepId = from_path(&id)?;
    let path = format!("/@{}/{id}", member.username);
    let parse = || Body::parse(&form.body, &app.config.refused_words);
    let edited = match app.limits.post(origin, member.id()).and_then(|_| parse()) {
        Ok(body) => {
            let author = member.clone();
            app.db.write(move |tx| author.edit(tx, id, &body)).await
        }
        Err(error) => Err(error),
    };
    match edited {
        Ok(_) => Ok(Redirect::to(&path).into_response()),
        Err(error @ (Error::Invalid(_) | Error::TooMany { .. } | Error::Busy | Error::Full)) => {
            let shell = Shell::new(&app, &Caller::from(&member), NavItem::Elsewhere).await?;
            let template = EditPage { shell, id, path, body: form.body, error: Some(error.sentence()) };
            render_form_error(status_and_headers(&error), &template)
        }
        Err(error) => Err(error),
    }
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    shell: Shell,
    path: String,
    card: Card,
}

/// `GET /@{username}/{id}/delete`
pub async fn delete_form(
    State(app): State<Arc<App>>,
    Path((_, id)): Path<(String, String)>,
    member: Member,
) -> Result<Response> {
    let id = from_path(&id)?;
    let peep = app.db.read(move |read| domain::peeps::existing(read, Viewer::STRANGER, id)).await?;
    if !member.may_delete(&peep) {
        return Err(Error::Forbidden("Only the one who wrote a peep can delete it."));
    }
    let path = format!("/@{}/{id}", peep.author.username);
    let card = Card::new(peep, None, app.clock.now());
    page(&DeletePage {
        shell: Shell::new(&app, &Caller::from(&member), NavItem::Elsewhere).await?,
        path,
        card,
    })
}

/// `POST /peeps/{id}/delete`
pub async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<Response> {
    let id = from_path(&id)?;
    app.limits.post(origin, member.id())?;
    app.db.write(move |tx| member.delete(tx, id)).await?;
    Ok(Redirect::to(app.config.stream_path()).into_response())
}

/// The form to like a peep.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LikeForm {
    likes: String,
}

/// `POST /peeps/{id}/like`
pub async fn like(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    headers: HeaderMap,
    Input(form): Input<LikeForm>,
) -> Result<Response> {
    let id: PeepId = from_path(&id)?;
    let likes = match form.likes.as_str() {
        "true" => true,
        "false" => false,
        _ => return Err(Error::invalid("likes", "It is liked or it is not: send true or false.")),
    };
    app.limits.post(origin, member.id())?;
    let peep = app.db.write(move |tx| member.like(tx, id, likes)).await?;
    if headers.contains_key(FRAGMENT) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // Returns to the page with the button.
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let referer = referer.and_then(|value| value.strip_prefix(app.config.base_url.as_str()));
    let referer = referer.map(on_this_site).and_then(|value| value.split('#').next());
    let permalink = format!("/@{}/{id}", peep.author.username);
    Ok(Redirect::to(&format!("{}#peep-{id}", referer.unwrap_or(&permalink))).into_response())
}

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    shell: Shell,
    path: String,
    name: String,
    versions: Vec<VersionView>,
}

/// A version of a peep, with the time from which it was shown.
struct VersionView {
    html: String,
    since: String,
    exact: String,
}

/// `GET /@{username}/{id}/history`
pub async fn history(
    State(app): State<Arc<App>>,
    Path((_, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response> {
    let (id, viewer) = (from_path(&id)?, caller.viewer());
    let (peep, versions) = app.db.read(move |read| domain::peeps::history(read, viewer, id)).await?;
    let versions = versions.into_iter().rev().map(|version| VersionView {
        html: markup::html(&version.body, &peep.mentions, ""),
        since: date_and_time(version.created_at),
        exact: version.created_at.rfc3339(),
    });
    page(&HistoryPage {
        shell: Shell::new(&app, &caller, NavItem::Elsewhere).await?,
        path: format!("/@{}/{id}", peep.author.username),
        name: peep.author.name.clone(),
        versions: versions.collect(),
    })
}
