//! A member's tokens, by which programs act as the member.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use crate::{
    Error, Result,
    app::App,
    clock::Time,
    domain::{accounts::Member, names::Name, sessions::Token as Secret, tokens::Scopes},
    html::{NavItem, Shell, field_error, form_error, page, show_form_error},
    http::{
        input::{Input, from_path},
        session::{Caller, ClientAddr},
    },
    store::tokens::Token,
    wire::{
        filters,
        format::{ago, date_and_time},
    },
};

/// A token in a list.
#[derive(Template)]
#[template(path = "token.html")]
struct TokenRow<'a> {
    token: &'a Token,
    now: Time,
    /// The path of the list, below which the token is revoked.
    path: &'a str,
}

impl TokenRow<'_> {
    fn created(&self) -> String {
        date_and_time(self.token.created_at)
    }

    fn used(&self) -> String {
        match self.token.seen_at {
            Some(at) if ago(self.now, at) == "now" => "used now".into(),
            Some(at) => format!("used {} ago", ago(self.now, at)),
            None => "never used".into(),
        }
    }

    fn ends(&self) -> Option<String> {
        self.token.expires_at.map(date_and_time)
    }
}

/// Renders the tokens of a list. `path` is the path of the list.
pub(super) fn render_tokens(tokens: &[Token], now: Time, path: &str) -> Vec<String> {
    tokens.iter().map(|token| TokenRow { token, now, path }.render().unwrap_or_default()).collect()
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    shell: Shell,
    tokens: Vec<String>,
    /// The secret of a token that was just created.
    new_secret: Option<Secret>,
    form: TokenForm,
    error: Option<Error>,
}

impl TokensPage {
    async fn new(app: &App, member: &Member) -> Result<Self> {
        let owner = member.clone();
        let tokens = app.db.read(move |read| owner.tokens(read)).await?;
        Ok(TokensPage {
            shell: Shell::new(app, &Caller::from(member), NavItem::Settings).await?,
            tokens: render_tokens(&tokens, app.clock.now(), "/settings/tokens"),
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

/// The form for a new token. Browsers leave out boxes that are not ticked.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct TokenForm {
    pub(super) name: String,
    read: Option<String>,
    write: Option<String>,
    act_as: Option<String>,
}

impl TokenForm {
    pub(super) fn scopes(&self) -> Result<Scopes> {
        let fields = [("read", &self.read), ("write", &self.write), ("act_as", &self.act_as)];
        let names: Vec<_> =
            fields.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect();
        Scopes::parse(&names.join(" "))
    }
}

/// `GET /settings/tokens`
pub async fn list(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    page(&TokensPage::new(&app, &member).await?)
}

/// `POST /settings/tokens`: creates a token, whose secret is shown this once.
pub async fn make(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Input(form): Input<TokenForm>,
) -> Result<Response> {
    let make = async {
        app.limits.write(origin)?;
        let (name, scopes) = (Name::parse(&form.name)?, form.scopes()?);
        let owner = member.clone();
        app.db.write(move |tx| owner.make_token(tx, &name, scopes)).await
    };
    match make.await {
        Ok((_, secret)) => {
            page(&TokensPage { new_secret: Some(secret), ..TokensPage::new(&app, &member).await? })
        }
        Err(error) => {
            show_form_error(error, async |error| {
                let tokens = TokensPage::new(&app, &member).await?;
                Ok(TokensPage { form, error: Some(error), ..tokens })
            })
            .await
        }
    }
}

/// `POST /settings/tokens/{id}/end`
pub async fn end(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
    Path(id): Path<String>,
) -> Result<Response> {
    app.limits.write(origin)?;
    let id = from_path(&id)?;
    app.db.write(move |tx| member.end_token(tx, id)).await?;
    Ok(Redirect::to("/settings/tokens").into_response())
}
