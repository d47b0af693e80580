//! Every URL, on one screen, grouped by who asks.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware,
    response::Redirect,
    routing::{get, post},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    csrf::CsrfLayer,
    timeout::{RequestBodyDeadlineLayer, TimeoutLayer},
};

use super::{api, assets, html, respond, socket};
use crate::{Error, app::App, store};

/// The largest body that is taken: a peep of 280 towering emoji, percent-encoded, with room to spare.
const BODY: usize = 128 * 1024;

/// How long a client may take to send it.
const SENDING: Duration = Duration::from_secs(20);

/// How long any answer may take. Hashing may queue for ten seconds; nothing else takes one.
const ANSWERING: Duration = Duration::from_secs(30);

/// The whole site.
pub fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        // for everyone
        .route("/", get(html::stream::stream))
        .route("/tags/{tag}", get(html::stream::tag))
        .route("/feed.atom", get(html::feeds::everyone))
        .route("/signup", get(html::accounts::sign_up_form).post(html::accounts::sign_up))
        .route("/login", get(html::accounts::log_in_form).post(html::accounts::log_in))
        .route(
            "/unsubscribe/{token}",
            get(html::settings::unsubscribe_form).post(html::settings::unsubscribe),
        )
        // /@nell, /@nell.atom, /@nell/17 and what can be done there
        .route("/@{username}", get(html::stream::person))
        .route("/@{username}/{id}", get(html::peeps::permalink))
        .route("/@{username}/{id}/history", get(html::peeps::history))
        // for members
        .route("/@{username}/{id}/edit", get(html::peeps::edit_form))
        .route("/@{username}/{id}/delete", get(html::peeps::delete_form))
        .route("/peeps", post(html::peeps::post))
        .route("/peeps/{id}", post(html::peeps::edit))
        .route("/peeps/{id}/delete", post(html::peeps::delete))
        .route("/peeps/{id}/like", post(html::peeps::like))
        .route("/settings", get(html::settings::form).post(html::settings::save))
        .route("/logout", post(html::accounts::log_out));

    // Mastodon's client API, as far as we have what it speaks of.
    let programs = Router::new()
        .route("/api/v1/timelines/public", get(api::peeps::public_timeline))
        .route("/api/v1/statuses", post(api::peeps::post))
        .route("/api/v1/statuses/{id}", get(api::peeps::get).put(api::peeps::edit).delete(api::peeps::delete))
        .route("/api/v1/statuses/{id}/context", get(api::peeps::context))
        .route("/api/v1/statuses/{id}/history", get(api::peeps::history))
        .route("/api/v1/statuses/{id}/favourite", post(api::peeps::favourite))
        .route("/api/v1/statuses/{id}/unfavourite", post(api::peeps::unfavourite))
        .route("/api/v1/streaming", get(socket::open));

    let machines = Router::new()
        .route("/assets/{version}/{*path}", get(assets::get))
        .route("/favicon.ico", get(assets::favicon))
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /login\nDisallow: /signup\n" }))
        .route("/.well-known/change-password", get(|| async { Redirect::to("/settings") }))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready));

    pages
        .merge(programs)
        .merge(machines)
        .fallback(|| async { Error::NotFound })
        .layer(DefaultBodyLimit::max(BODY))
        .layer(RequestBodyDeadlineLayer::new(SENDING))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWERING))
        .layer(cross_site(&app))
        .layer(CatchPanicLayer::custom(respond::panicked))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), respond::edge))
        .with_state(app)
}

/// Refuses writes that another site makes a browser send. Behind a proxy the `Host` that we see may
/// not be the one that people type, so our own origin is named.
fn cross_site(app: &App) -> CsrfLayer {
    let layer = CsrfLayer::new();
    layer.clone().add_trusted_origin(app.config.base_url.as_str()).unwrap_or(layer)
}

/// Whether a request would be answered: the database is there, and we are not about to stop.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    if app.stop.is_cancelled() {
        return Err(Error::Busy);
    }
    app.db.read(store::peeps::last_seq).await?;
    Ok("ready\n")
}
