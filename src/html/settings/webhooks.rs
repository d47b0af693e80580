//! The webhooks of a member's app, and the log of their deliveries.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};

use super::apps::mine;
use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{
        accounts::Member,
        apps::OwnApp,
        webhooks::{Log, NewWebhook},
    },
    events::Tx,
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, from_path},
        session::{ClientAddr, Viewer},
    },
    store::{
        apps::RegisteredApp as Registered,
        webhooks::{Delivery, DeliveryState, EventType},
    },
    wire::{
        filters,
        format::{ago, date_and_time},
    },
};

#[derive(Template)]
#[template(path = "webhooks.html")]
struct WebhooksPage {
    shell: Shell,
    app: Registered,
    logs: Vec<Log>,
    form: HashMap<String, String>,
    error: Option<Error>,
    now: Time,
}

impl WebhooksPage {
    async fn new(app: &App, member: &Member, mine: &OwnApp) -> Result<Self> {
        let again = mine.clone();
        Ok(WebhooksPage {
            shell: Shell::new(app, &Viewer::from(member), NavItem::Settings).await?,
            app: mine.app().clone(),
            logs: app.db.read(move |read| again.webhooks(read)).await?,
            form: HashMap::new(),
            error: None,
            now: app.clock.now(),
        })
    }

    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["url", "events"])
    }

    fn url(&self) -> &str {
        self.form.get("url").map_or("", String::as_str)
    }

    /// Returns whether the box of an event is ticked: as in the form that was sent, or else the usual choice.
    fn is_on(&self, event: &str) -> bool {
        if self.form.is_empty() {
            event == EventType::MessageCreated.name()
        } else {
            self.form.contains_key(event)
        }
    }

    fn ago(&self, at: &Time) -> String {
        ago(self.now, *at)
    }

    fn when(at: &Time) -> String {
        date_and_time(*at)
    }

    /// The description of an event.
    fn words(event: &EventType) -> &'static str {
        match event {
            EventType::MessageCreated => "Something was said",
            EventType::MessageChanged => "A message was edited, deleted or reacted to",
            EventType::ThreadChanged => "A thread has another name or other people",
            EventType::ReceiptChanged => "Somebody in a thread has read further, or been delivered more",
        }
    }

    /// The state of a delivery, in a word.
    fn state(delivery: &Delivery) -> &'static str {
        match delivery.state {
            DeliveryState::Done => "delivered",
            DeliveryState::Failed => "given up",
            DeliveryState::Waiting | DeliveryState::Calling => "waiting",
        }
    }
}

/// `GET /settings/apps/{id}/webhooks`
pub async fn list(State(app): State<Arc<App>>, member: Member, Path(id): Path<String>) -> Result<Response> {
    let mine = mine(&app, &member, &id).await?;
    page(&WebhooksPage::new(&app, &member, &mine).await?)
}

/// `POST /settings/apps/{id}/webhooks`: `url`, and a field for each event.
pub async fn open(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<HashMap<String, String>>,
) -> Result<Response> {
    let mine = mine(&app, &member, &id).await?;
    let open = async {
        app.limits.write(from)?;
        let events = form.keys().map(String::as_str).filter(|name| *name != "url");
        let new = NewWebhook::parse(form.get("url").map_or("", String::as_str), events)?;
        if !app.outbound.may_call(new.url()) {
            return Err(Error::invalid(
                "url",
                "That is a private address. Whoever runs this place can allow its host: CHITTER_WEBHOOK_HOSTS.",
            ));
        }
        let mine = mine.clone();
        app.db.write(move |tx| mine.open_webhook(tx, &new)).await
    };
    match open.await {
        Ok(()) => Ok(back(&mine)),
        Err(error) => {
            show_form_error(error, async |error| {
                let about = WebhooksPage::new(&app, &member, &mine).await?;
                Ok(WebhooksPage { form, error: Some(error), ..about })
            })
            .await
        }
    }
}

fn back(mine: &OwnApp) -> Response {
    Redirect::to(&format!("/settings/apps/{}/webhooks", mine.app().id)).into_response()
}

/// Runs a verb on one of the app's webhooks or deliveries, and redirects to the list.
async fn with<T: FromStr + Copy + Send + 'static>(
    app: &App,
    ClientAddr(from): ClientAddr,
    member: &Member,
    (id, what): (String, String),
    verb: fn(&OwnApp, &mut Tx<'_>, T) -> Result<()>,
) -> Result<Response> {
    app.limits.write(from)?;
    let (mine, what) = (mine(app, member, &id).await?, from_path(&what)?);
    let does = mine.clone();
    app.db.write(move |tx| verb(&does, tx, what)).await?;
    Ok(back(&mine))
}

/// `POST /settings/apps/{id}/webhooks/{webhook}/delete`
pub async fn close(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    member: Member,
    Path(of): Path<(String, String)>,
) -> Result<Response> {
    with(&app, from, &member, of, OwnApp::close_webhook).await
}

/// `POST /settings/apps/{id}/webhooks/{webhook}/enable`
pub async fn enable(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    member: Member,
    Path(of): Path<(String, String)>,
) -> Result<Response> {
    with(&app, from, &member, of, OwnApp::enable_webhook).await
}

/// `POST /settings/apps/{id}/deliveries/{delivery}/replay`
pub async fn replay(
    State(app): State<Arc<App>>,
    from: ClientAddr,
    member: Member,
    Path(of): Path<(String, String)>,
) -> Result<Response> {
    with(&app, from, &member, of, OwnApp::replay).await
}
