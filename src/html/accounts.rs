//! Signing up, logging in, logging out.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{NavItem, Shell, field_error, form_error, on_this_site, page, show_form_error};
use crate::{
    Error, Result,
    app::App,
    domain::{
        accounts::{self, Application},
        sessions::{self, Token},
    },
    http::{
        input::{Input, Query},
        session::{Caller, ClientAddr, set_cookie},
    },
    wire::filters,
};

/// The query with the path to redirect to afterwards.
#[derive(Deserialize, Default)]
pub struct Next {
    #[serde(default)]
    pub(super) next: String,
}

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage {
    shell: Shell,
    form: SignUpForm,
    error: Option<Error>,
}

/// The form to sign up.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct SignUpForm {
    email: String,
    password: String,
    name: String,
    username: String,
    next: String,
}

impl SignUpPage {
    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["email", "password", "name", "username"])
    }
}

/// `GET /signup`
pub async fn sign_up_form(
    State(app): State<Arc<App>>,
    Query(Next { next }): Query<Next>,
    caller: Caller,
) -> Result<Response> {
    if caller.member().is_some() {
        return Ok(Redirect::to(on_this_site(&next)).into_response());
    }
    // The form begins with the name of the guest.
    let name = caller.guest().map(|guest| guest.name.clone()).unwrap_or_default();
    let form = SignUpForm { next, name, ..SignUpForm::default() };
    page(&SignUpPage { shell: Shell::new(&app, &caller, NavItem::SignUp).await?, form, error: None })
}

/// `POST /signup`
pub async fn sign_up(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    caller: Caller,
    Input(form): Input<SignUpForm>,
) -> Result<Response> {
    let application = Application {
        email: form.email.clone(),
        password: form.password.clone(),
        name: form.name.clone(),
        username: form.username.clone(),
    };
    match join(&app, origin, &caller, application).await {
        Ok(token) => {
            Ok(([set_cookie(&app.config, Some(&token))], Redirect::to(on_this_site(&form.next)))
                .into_response())
        }
        Err(error) => {
            show_form_error(error, async |error| {
                let shell = Shell::new(&app, &caller, NavItem::SignUp).await?;
                Ok(SignUpPage { shell, form, error: Some(error) })
            })
            .await
        }
    }
}

/// Creates a member, or turns a guest into one, with a new session: the guest's token must not become a member's.
async fn join(
    app: &App,
    origin: crate::services::limits::Origin,
    caller: &Caller,
    application: Application,
) -> Result<Token> {
    app.limits.sign_up(origin)?;
    // The check is made first, because hashing is costly.
    let applicant = app.db.read(move |read| application.check(read)).await?;
    let hash = app.passwords.hash(applicant.password().as_str()).await?;
    let token = Token::random()?;
    let (session_token, guest) = (token.clone(), caller.guest().map(|guest| guest.id));
    let guest_token = caller.token.clone().filter(|_| guest.is_some());
    app.db
        .write(move |tx| {
            let id = applicant.join(tx, guest, &hash)?;
            if let Some(guest_token) = &guest_token {
                sessions::end(tx, guest_token)?;
            }
            sessions::start(tx, &session_token, id)
        })
        .await?;
    app.page_cache.invalidate_public(); // pages show the number of members
    Ok(token)
}

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage {
    shell: Shell,
    form: LogInForm,
    error: Option<Error>,
}

/// The form to log in with.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct LogInForm {
    login: String,
    password: String,
    next: String,
}

impl LogInPage {
    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["login", "password"])
    }
}

/// `GET /login`
pub async fn log_in_form(
    State(app): State<Arc<App>>,
    Query(Next { next }): Query<Next>,
    caller: Caller,
) -> Result<Response> {
    if caller.member().is_some() {
        return Ok(Redirect::to(on_this_site(&next)).into_response());
    }
    let form = LogInForm { next, ..LogInForm::default() };
    page(&LogInPage { shell: Shell::new(&app, &caller, NavItem::LogIn).await?, form, error: None })
}

/// `POST /login`
pub async fn log_in(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    caller: Caller,
    Input(form): Input<LogInForm>,
) -> Result<Response> {
    match start_session(&app, origin, &form).await {
        Ok(token) => {
            Ok(([set_cookie(&app.config, Some(&token))], Redirect::to(on_this_site(&form.next)))
                .into_response())
        }
        Err(error) => {
            show_form_error(error, async |error| {
                let shell = Shell::new(&app, &caller, NavItem::LogIn).await?;
                Ok(LogInPage { shell, form, error: Some(error) })
            })
            .await
        }
    }
}

/// Checks the password, and starts a session.
async fn start_session(
    app: &App,
    origin: crate::services::limits::Origin,
    form: &LogInForm,
) -> Result<Token> {
    app.limits.log_in(origin, &form.login)?;
    let login = form.login.clone();
    let credentials = app.db.read(move |read| accounts::credentials(read, &login)).await?;
    let (id, hash) = credentials
        .map_or((None, None), |credentials| (Some(credentials.id), Some(credentials.password_hash)));
    let is_correct = app.passwords.verify(&form.password, hash).await?;
    let Some(id) = id.filter(|_| is_correct) else {
        return Err(accounts::wrong_login());
    };
    let token = Token::random()?;
    let session_token = token.clone();
    app.db.write(move |tx| sessions::start(tx, &session_token, id)).await?;
    Ok(token)
}

/// `POST /logout`
pub async fn log_out(State(app): State<Arc<App>>, caller: Caller) -> Result<Response> {
    if let Some(token) = caller.token {
        app.db.write(move |tx| sessions::end(tx, &token)).await?;
    }
    Ok(([set_cookie(&app.config, None)], Redirect::to("/")).into_response())
}
