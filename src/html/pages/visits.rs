//! The visits of a page: counts by day and by link, as a small chart.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    Result,
    app::App,
    domain::{
        accounts::Member,
        pages::visits::{Visits, start},
    },
    html::{NavItem, Shell, page},
    http::session::Caller,
    wire::filters,
};

/// The height of the chart and the width of a day, in units of the SVG.
const CHART_HEIGHT: i64 = 120;
const BAR_WIDTH: i64 = 20;

#[derive(Template)]
#[template(path = "page/visits.html")]
struct VisitsPage {
    shell: Shell,
    bars: Vec<Bar>,
    width: i64,
    total: i64,
    max: i64,
    links: Vec<(String, i64)>,
}

struct Bar {
    x: i64,
    y: i64,
    height: i64,
    count: i64,
    day: String,
}

fn bars(visits: &Visits) -> Vec<Bar> {
    let max = visits.days.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let bar = |(at, (day, count)): (usize, &(i64, i64))| {
        // A bar is visible even for a single visit.
        let height = if *count == 0 { 0 } else { (CHART_HEIGHT * count / max).max(2) };
        Bar {
            x: at as i64 * BAR_WIDTH,
            y: CHART_HEIGHT - height,
            height,
            count: *count,
            day: start(*day).utc().strftime("%-d %B").to_string(),
        }
    };
    visits.days.iter().enumerate().map(bar).collect()
}

/// `GET /settings/page/visits`
pub async fn show(State(app): State<Arc<App>>, member: Member) -> Result<Response> {
    let reader = member.clone();
    let visits = app.db.read(move |read| reader.visits(read)).await?;
    page(&VisitsPage {
        shell: Shell::new(&app, &Caller::from(&member), NavItem::Settings).await?,
        width: visits.days.len() as i64 * BAR_WIDTH,
        total: visits.days.iter().map(|(_, count)| count).sum(),
        max: visits.days.iter().map(|(_, count)| *count).max().unwrap_or(0),
        bars: bars(&visits),
        links: visits.links,
    })
}
