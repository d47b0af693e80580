//! Weekly pairs: joining, leaving, and the pair of the week.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};

use crate::{
    Result,
    app::App,
    domain::{
        accounts::Member,
        pairings::{self, Weekly},
    },
    html::{NavItem, Shell, page},
    http::session::{Caller, ClientAddr},
    wire::filters,
};

#[derive(Template)]
#[template(path = "weekly.html")]
struct WeeklyPage {
    shell: Shell,
    weekly: Weekly,
}

impl WeeklyPage {
    fn people(&self) -> String {
        match self.weekly.members {
            0 => "Nobody takes part yet.".into(),
            1 if self.weekly.takes_part => "Only you take part so far.".into(),
            1 => "One person takes part.".into(),
            n => format!("{n} people take part."),
        }
    }

    fn next(&self) -> String {
        self.weekly.next.utc().strftime("%A, %-d %B").to_string()
    }
}

/// `GET /match/weekly`
pub async fn show(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    app.config.require_matching()?;
    let id = member.id();
    let weekly = app.db.read(move |read| pairings::weekly(read, id)).await?;
    let shell = Shell::new(&app, &Caller::from(&member), NavItem::Match).await?;
    page(&WeeklyPage { shell, weekly })
}

/// `POST /match/weekly`: joins from the next Monday on.
pub async fn join(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<Response> {
    app.config.require_matching()?;
    app.limits.write(origin)?;
    app.db.write(move |tx| member.join_weekly(tx)).await?;
    Ok(Redirect::to("/match/weekly").into_response())
}

/// `POST /match/weekly/leave`
pub async fn leave(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    member: Member,
) -> Result<Response> {
    app.limits.write(origin)?;
    app.db.write(move |tx| member.leave_weekly(tx)).await?;
    Ok(Redirect::to("/match/weekly").into_response())
}
