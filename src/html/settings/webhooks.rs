//! The webhooks of a member's app, and the log of their deliveries.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};

use super::apps::find_app;
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
        session::{Caller, ClientAddr},
    },
    store::{
        apps::RegisteredApp,
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
    app: RegisteredApp,
    logs: Vec<Log>,
    form: HashMap<String, String>,
    error: Option<Error>,
    now: Time,
}

impl WebhooksPage {
    async fn new(app: &App, member: &Member, own_app: &OwnApp) -> Result<Self> {
        let reader = own_app.clone();
        Ok(WebhooksPage {
            shell: Shell::new(app, &Caller::from(member), NavItem::Settings).await?,
            app: own_app.app().clone(),
            logs: app.db.read(move |read| reader.webhooks(read)).await?,
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

    /// Returns whether the box of an event is ticked: as in the form that was sent, or else by default.
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

    /// Returns the description of an event.
    fn describe(event: &EventType) -> &'static str {
        match event {
            EventType::MessageCreated => "Something was said",
            EventType::MessageChanged => "A message was edited, deleted or reacted to",
            EventType::ThreadChanged => "A thread has another name or other people",
            EventType::ReceiptChanged => "Somebody in a thread has read further, or been delivered more",
        }
    }

    /// Returns the state of a delivery in a word.
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
    let own_app = find_app(&app, &member, &id).await?;
    page(&WebhooksPage::new(&app, &member, &own_app).await?)
}

/// `POST /settings/apps/{id}/webhooks`: `url`, and a field for each event.
pub async fn open(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<HashMap<String, String>>,
) -> Result<Response> {
    let own_app = find_app(&app, &member, &id).await?;
    let open = async {
        app.limits.write(origin)?;
        let events = form.keys().map(String::as_str).filter(|name| *name != "url");
        let new = NewWebhook::parse(form.get("url").map_or("", String::as_str), events)?;
        if !app.outbound.may_call(new.url()) {
            return Err(Error::invalid(
                "url",
                "That is a private address. Whoever runs this place can allow its host: CHITTER_WEBHOOK_HOSTS.",
            ));
        }
        let own_app = own_app.clone();
        app.db.write(move |tx| own_app.open_webhook(tx, &new)).await
    };
    match open.await {
        Ok(()) => Ok(to_list(&own_app)),
        Err(error) => {
            show_form_error(error, async |error| {
                let webhooks_page = WebhooksPage::new(&app, &member, &own_app).await?;
                Ok(WebhooksPage { form, error: Some(error), ..webhooks_page })
            })
            .await
        }
    }
}

fn to_list(own_app: &OwnApp) -> Response {
    Redirect::to(&format!("/settings/apps/{}/webhooks", own_app.app().id)).into_response()
}

/// Runs a verb on one of the app's webhooks or deliveries, and redirects to the list.
async fn run_verb<T: FromStr + Copy + Send + 'static>(
    app: &App,
    ClientAddr(origin): ClientAddr,
    member: &Member,
    (id, target): (String, String),
    verb: fn(&OwnApp, &mut Tx<'_>, T) -> Result<()>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let (own_app, target) = (find_app(app, member, &id).await?, from_path(&target)?);
    let writer = own_app.clone();
    app.db.write(move |tx| verb(&writer, tx, target)).await?;
    Ok(to_list(&own_app))
}

/// `POST /settings/apps/{id}/webhooks/{webhook}/delete`
pub async fn close(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    member: Member,
    Path(ids): Path<(String, String)>,
) -> Result<Response> {
    run_verb(&app, addr, &member, ids, OwnApp::close_webhook).await
}

/// `POST /settings/apps/{id}/webhooks/{webhook}/enable`
pub async fn enable(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    member: Member,
    Path(ids): Path<(String, String)>,
) -> Result<Response> {
    run_verb(&app, addr, &member, ids, OwnApp::enable_webhook).await
}

/// `POST /settings/apps/{id}/deliveries/{delivery}/replay`
pub async fn replay(
    State(app): State<Arc<App>>,
    addr: ClientAddr,
    member: Member,
    Path(ids): Path<(String, String)>,
) -> Result<Response> {
    run_verb(&app, addr, &member, ids, OwnApp::replay).await
}
