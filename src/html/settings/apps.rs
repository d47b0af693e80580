//! A member's apps, and their keys.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::tokens::{TokenForm, render_tokens};
use crate::{
    Error, Result,
    app::App,
    domain::{accounts::Member, apps::OwnApp, names::Name, sessions::Token as Secret},
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, from_path},
        session::{Caller, ClientAddr},
    },
    ids::AppId,
    store::apps::RegisteredApp,
    wire::filters,
};

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    shell: Shell,
    apps: Vec<RegisteredApp>,
    name: String,
    error: Option<Error>,
}

impl AppsPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let owner = member.clone();
        Ok(AppsPage {
            apps: app.db.read(move |read| owner.apps(read)).await?,
            shell: Shell::new(app, &Caller::from(member), NavItem::Settings).await?,
            name: String::new(),
            error: None,
        })
    }

    fn field_error(&self) -> Option<&str> {
        field_error(self.error.as_ref(), "name")
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name"])
    }
}

/// `GET /settings/apps`
pub async fn list(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    page(&AppsPage::new(&app, &member).await?)
}

/// The form for a new app.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AppForm {
    name: String,
}

/// `POST /settings/apps`: redirects to the new app.
pub async fn register(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(form): Input<AppForm>,
) -> Result<Response> {
    let register = async {
        app.limits.write(origin)?;
        let (name, owner) = (Name::parse(&form.name)?, member.clone());
        app.db.write(move |tx| owner.register_app(tx, &name)).await
    };
    match register.await {
        Ok(new) => Ok(Redirect::to(&format!("/settings/apps/{}", new.id)).into_response()),
        Err(error) => {
            show_form_error(error, async |error| {
                let apps = AppsPage::new(&app, &member).await?;
                Ok(AppsPage { name: form.name, error: Some(error), ..apps })
            })
            .await
        }
    }
}

#[derive(Template)]
#[template(path = "app.html")]
struct AppPage {
    shell: Shell,
    app: RegisteredApp,
    keys: Vec<String>,
    /// The secret of a key that was just created.
    new_secret: Option<Secret>,
    form: TokenForm,
    error: Option<Error>,
}

impl AppPage {
    async fn new(app: &App, member: &Member, own_app: &OwnApp) -> Result<Self> {
        let id = own_app.app().id;
        let reader = own_app.clone();
        let keys = app.db.read(move |read| reader.keys(read)).await?;
        Ok(AppPage {
            shell: Shell::new(app, &Caller::from(member), NavItem::Settings).await?,
            app: own_app.app().clone(),
            keys: render_tokens(&keys, app.clock.now(), &format!("/settings/apps/{id}/keys")),
            new_secret: None,
            form: TokenForm::default(),
            error: None,
        })
    }

    fn field_error(&self) -> Option<&str> {
        field_error(self.error.as_ref(), "name")
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name"])
    }
}

/// Finds an app of the member.
pub(super) async fn find_app(app: &App, member: &Member, id: &str) -> Result<OwnApp> {
    let (owner, id): (Member, AppId) = (member.clone(), from_path(id)?);
    app.db.read(move |read| owner.app(read, id)).await
}

/// `GET /settings/apps/{id}`
pub async fn show(State(app): State<Arc<App>>, member: Member, Path(id): Path<String>) -> Result<Response> {
    let own_app = find_app(&app, &member, &id).await?;
    page(&AppPage::new(&app, &member, &own_app).await?)
}

/// `POST /settings/apps/{id}/keys`: creates a key, whose secret is shown this once.
pub async fn make_key(
    state: State<Arc<App>>,
    addr: ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<TokenForm>,
) -> Result<Response> {
    new_key(state, addr, member, &id, form, false).await
}

/// `POST /settings/apps/{id}/keys/rotate`: creates a key that replaces all others, which expire in a day.
pub async fn rotate_keys(
    state: State<Arc<App>>,
    addr: ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<TokenForm>,
) -> Result<Response> {
    new_key(state, addr, member, &id, form, true).await
}

async fn new_key(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    id: &str,
    form: TokenForm,
    rotate: bool,
) -> Result<Response> {
    let own_app = find_app(&app, &member, id).await?;
    let make = async {
        app.limits.write(origin)?;
        let (name, scopes, own_app) = (Name::parse(&form.name)?, form.scopes()?, own_app.clone());
        app.db
            .write(move |tx| {
                if rotate {
                    own_app.rotate_keys(tx, &name, scopes)
                } else {
                    own_app.make_key(tx, &name, scopes)
                }
            })
            .await
    };
    match make.await {
        Ok((_, secret)) => {
            page(&AppPage { new_secret: Some(secret), ..AppPage::new(&app, &member, &own_app).await? })
        }
        Err(error) => {
            show_form_error(error, async |error| {
                let app_page = AppPage::new(&app, &member, &own_app).await?;
                Ok(AppPage { form, error: Some(error), ..app_page })
            })
            .await
        }
    }
}

/// `POST /settings/apps/{id}/keys/{key}/end`: revokes a key at once.
pub async fn end_key(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Path((id, key)): Path<(String, String)>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let (own_app, key) = (find_app(&app, &member, &id).await?, from_path(&key)?);
    app.db.write(move |tx| own_app.end_key(tx, key)).await?;
    Ok(Redirect::to(&format!("/settings/apps/{id}")).into_response())
}

/// `POST /settings/apps/{id}/delete`
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let own_app = find_app(&app, &member, &id).await?;
    app.db.write(move |tx| own_app.delete(tx)).await?;
    Ok(Redirect::to("/settings/apps").into_response())
}
