//! A member's apps, and their keys.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::tokens::{TokenForm, lines};
use crate::{
    Error, Result,
    app::App,
    domain::{accounts::Member, apps::OwnApp, names::Name, sessions::Token as Secret},
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, from_path},
        session::{ClientAddr, Viewer},
    },
    ids::AppId,
    store::apps::RegisteredApp as Registered,
    wire::filters,
};

#[derive(Template)]
#[template(path = "apps.html")]
struct AppsPage {
    shell: Shell,
    apps: Vec<Registered>,
    name: String,
    error: Option<Error>,
}

impl AppsPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let owner = member.clone();
        Ok(AppsPage {
            apps: app.db.read(move |read| owner.apps(read)).await?,
            shell: Shell::new(app, &Viewer::from(member), NavItem::Settings).await?,
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
    ClientAddr(from): ClientAddr,
    member: Member,
    Input(form): Input<AppForm>,
) -> Result<Response> {
    let register = async {
        app.limits.write(from)?;
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
    app: Registered,
    keys: Vec<String>,
    /// The secret of a key that was just created.
    made: Option<Secret>,
    form: TokenForm,
    error: Option<Error>,
}

impl AppPage {
    async fn new(app: &App, member: &Member, mine: &OwnApp) -> Result<Self> {
        let id = mine.app().id;
        let again = mine.clone();
        let keys = app.db.read(move |read| again.keys(read)).await?;
        Ok(AppPage {
            shell: Shell::new(app, &Viewer::from(member), NavItem::Settings).await?,
            app: mine.app().clone(),
            keys: lines(&keys, app.clock.now(), &format!("/settings/apps/{id}/keys")),
            made: None,
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

pub(super) async fn mine(app: &App, member: &Member, id: &str) -> Result<OwnApp> {
    let (owner, id): (Member, AppId) = (member.clone(), from_path(id)?);
    app.db.read(move |read| owner.app(read, id)).await
}

/// `GET /settings/apps/{id}`
pub async fn show(State(app): State<Arc<App>>, member: Member, Path(id): Path<String>) -> Result<Response> {
    let mine = mine(&app, &member, &id).await?;
    page(&AppPage::new(&app, &member, &mine).await?)
}

/// `POST /settings/apps/{id}/keys`: creates a key, whose secret is shown this once.
pub async fn make_key(
    state: State<Arc<App>>,
    from: ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<TokenForm>,
) -> Result<Response> {
    new_key(state, from, member, &id, form, false).await
}

/// `POST /settings/apps/{id}/keys/rotate`: creates a key that replaces all others, which expire in a day.
pub async fn rotate_keys(
    state: State<Arc<App>>,
    from: ClientAddr,
    member: Member,
    Path(id): Path<String>,
    Input(form): Input<TokenForm>,
) -> Result<Response> {
    new_key(state, from, member, &id, form, true).await
}

async fn new_key(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    id: &str,
    form: TokenForm,
    rotate: bool,
) -> Result<Response> {
    let mine = mine(&app, &member, id).await?;
    let make = async {
        app.limits.write(from)?;
        let (name, scopes, mine) = (Name::parse(&form.name)?, form.scopes()?, mine.clone());
        app.db
            .write(move |tx| {
                if rotate { mine.rotate_keys(tx, &name, scopes) } else { mine.make_key(tx, &name, scopes) }
            })
            .await
    };
    match make.await {
        Ok((_, secret)) => page(&AppPage { made: Some(secret), ..AppPage::new(&app, &member, &mine).await? }),
        Err(error) => {
            show_form_error(error, async |error| {
                let about = AppPage::new(&app, &member, &mine).await?;
                Ok(AppPage { form, error: Some(error), ..about })
            })
            .await
        }
    }
}

/// `POST /settings/apps/{id}/keys/{key}/end`: revokes a key at once.
pub async fn end_key(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Path((id, key)): Path<(String, String)>,
) -> Result<Response> {
    app.limits.write(from)?;
    let (mine, key) = (mine(&app, &member, &id).await?, from_path(&key)?);
    app.db.write(move |tx| mine.end_key(tx, key)).await?;
    Ok(Redirect::to(&format!("/settings/apps/{id}")).into_response())
}

/// `POST /settings/apps/{id}/delete`
pub async fn delete(
    State(app): State<Arc<App>>,
    ClientAddr(from): ClientAddr,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response> {
    app.limits.write(from)?;
    let mine = mine(&app, &member, &id).await?;
    app.db.write(move |tx| mine.delete(tx)).await?;
    Ok(Redirect::to("/settings/apps").into_response())
}
