//! All URLs, grouped by audience.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    middleware,
    response::Redirect,
    routing::{delete, get, post, put},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    csrf::CsrfLayer,
    timeout::{RequestBodyDeadlineLayer, TimeoutLayer},
};

use super::edge;
use crate::{
    Error, api,
    app::App,
    domain, html,
    http::{assets, conditional, cors, hosts, session},
    socket,
};

/// The largest body of a request, in bytes: a peep of 280 large emoji, percent-encoded, with room to spare.
const MAX_BODY: usize = 128 * 1024;

/// The largest body of a request with a message, which may have 4,000 characters.
const MAX_MESSAGE_BODY: usize = 1024 * 1024;

/// The time in which a client has to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest body of an upload, a file in its form; and the time in which a client has to send it.
const MAX_UPLOAD: usize = domain::attachments::MAX_FILE_BYTES + 64 * 1024;
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The time in which a handler has to respond. Hashing a password may queue for ten seconds; nothing else takes one.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The robots.txt (RFC 9309): paths that search engines have no use for.
const ROBOTS: &str = "User-agent: *\nDisallow: /login\nDisallow: /signup\nDisallow: /session/\n\
                      Disallow: /rooms\nDisallow: /match\nDisallow: /files/\nDisallow: /hooks/\nDisallow: /settings\n";

/// Returns the router of all URLs.
pub fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        // For everyone.
        .route("/", get(html::stream::front))
        .route("/stream", get(html::stream::stream))
        .route("/looks/{version}/{name}", get(html::pages::show::look))
        .route("/pictures/{name}", get(html::pages::pictures::get))
        .route("/sitemap.xml", get(html::pages::show::sitemap))
        .route("/tags/{tag}", get(html::stream::tag))
        .route("/feed.atom", get(html::feeds::everyone))
        .route("/docs/api", get(html::docs::reference))
        .route("/docs/problems", get(html::docs::problems))
        .route("/openapi.json", get(api::document))
        .route("/asyncapi.json", get(api::live))
        .route("/docs/chitter.postman_collection.json", get(api::postman))
        .route("/session/new", get(html::sessions::name_form).post(html::sessions::create))
        .route("/signup", get(html::accounts::sign_up_form).post(html::accounts::sign_up))
        .route("/login", get(html::accounts::log_in_form).post(html::accounts::log_in))
        .route(
            "/unsubscribe/{token}",
            get(html::settings::unsubscribe_form).post(html::settings::unsubscribe),
        )
        // /@nell, /@nell.atom, /@nell/17 and the forms below them.
        .route("/@{username}", get(html::pages::show::person))
        .route("/@{username}/peeps", get(html::pages::show::peeps))
        .route("/@{username}/card.png", get(html::pages::show::card))
        .route("/@{username}/visits", post(html::pages::show::count_click))
        .route("/@{username}/contact", get(html::pages::contact::form).post(html::pages::contact::send))
        .route("/@{username}/address", post(html::pages::contact::address))
        .route("/@{username}/{id}", get(html::peeps::permalink))
        .route("/@{username}/{id}/history", get(html::peeps::history))
        // For members and guests.
        .route("/rooms", get(html::conversations::rooms::list).post(html::conversations::rooms::create))
        .route("/match", get(html::conversations::matches::show).post(html::conversations::matches::seek))
        .route(
            "/match/weekly",
            get(html::conversations::pairings::show).post(html::conversations::pairings::join),
        )
        .route("/match/weekly/leave", post(html::conversations::pairings::leave))
        .route("/match/next", post(html::conversations::matches::next))
        .route("/match/leave", post(html::conversations::matches::leave))
        .route("/match/reveal", post(html::conversations::matches::reveal))
        .route("/match/pictures", post(html::conversations::matches::allow_pictures))
        .route("/match/block", post(html::conversations::matches::block))
        .route(
            "/match/report",
            get(html::conversations::matches::report_form).post(html::conversations::matches::report),
        )
        .route("/files/{conversation}/{id}/{name}", get(api::attachments::get))
        // For participants of a conversation.
        .route(
            "/conversations/{conversation}/messages",
            post(html::conversations::messages::say).layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)),
        )
        .route("/threads/{conversation}", get(html::conversations::threads::show))
        .route("/threads/{thread}/search", get(html::search::thread))
        .route(
            "/threads/{thread}/about",
            get(html::conversations::threads::about).post(html::conversations::threads::rename),
        )
        .route("/threads/{thread}/users", post(html::conversations::threads::add))
        .route("/threads/{thread}/users/{id}/remove", post(html::conversations::threads::remove))
        .route("/threads/{thread}/mute", post(html::conversations::threads::mute))
        .route("/threads/{thread}/leave", post(html::conversations::threads::leave))
        .route("/threads/{thread}/delete", post(html::conversations::threads::delete))
        // For people with a room's key.
        .route("/rooms/{key}", get(html::conversations::rooms::room))
        .route(
            "/rooms/{key}/messages",
            post(html::conversations::messages::say).layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)),
        )
        .route("/rooms/{key}/search", get(html::search::room))
        .route("/rooms/{key}/read", post(html::conversations::messages::read))
        .route(
            "/rooms/{key}/about",
            get(html::conversations::room_about::about).post(html::conversations::room_about::change),
        )
        .route(
            "/rooms/{key}/leave",
            get(html::conversations::room_about::leave_form).post(html::conversations::room_about::leave),
        )
        // For a room's owner.
        .route("/rooms/{key}/link", post(html::conversations::room_about::renew_link))
        .route("/rooms/{key}/people/{id}/remove", post(html::conversations::room_about::remove))
        .route("/rooms/{key}/people/{id}/readmit", post(html::conversations::room_about::readmit))
        .route(
            "/rooms/{key}/hooks",
            get(html::conversations::room_about::back_to_about)
                .post(html::conversations::room_about::open_hook),
        )
        .route("/rooms/{key}/hooks/{id}/delete", post(html::conversations::room_about::close_hook))
        .route("/rooms/{key}/export.json", get(html::conversations::room_export::json))
        .route("/rooms/{key}/export.html", get(html::conversations::room_export::html))
        .route(
            "/rooms/{key}/delete",
            get(html::conversations::room_about::delete_form).post(html::conversations::room_about::delete),
        )
        .route("/rooms/{key}/feed/{secret}", get(html::feeds::room))
        // For members.
        .route("/@{username}/{id}/edit", get(html::peeps::edit_form))
        .route("/@{username}/{id}/delete", get(html::peeps::delete_form))
        .route("/peeps", post(html::peeps::post))
        .route("/peeps/{id}", post(html::peeps::edit))
        .route("/peeps/{id}/delete", post(html::peeps::delete))
        .route("/peeps/{id}/like", post(html::peeps::like))
        .route("/threads", get(html::conversations::threads::list).post(html::conversations::threads::begin))
        .route("/settings", get(html::settings::form).post(html::settings::save))
        .route("/settings/page", get(html::pages::editor::show))
        .route("/settings/page/preview", get(html::pages::editor::preview))
        .route("/settings/page/sections", post(html::pages::editor::add))
        .route("/settings/page/sections/{id}/move", post(html::pages::editor::move_section))
        .route("/settings/page/sections/{id}/delete", post(html::pages::editor::delete))
        .route("/settings/page/look", post(html::pages::editor::change_look))
        .route("/settings/page/publish", post(html::pages::editor::publish))
        .route("/settings/page/unpublish", post(html::pages::editor::unpublish))
        .route("/settings/page/discard", post(html::pages::editor::discard))
        .route("/settings/page/host", post(html::pages::editor::set_host))
        .route("/settings/page/visits", get(html::pages::visits::show))
        .route("/settings/page/export.zip", get(html::pages::export::download))
        .route("/settings/tokens", get(html::settings::tokens::list).post(html::settings::tokens::make))
        .route("/settings/tokens/{id}/end", post(html::settings::tokens::end))
        .route("/settings/apps", get(html::settings::apps::list).post(html::settings::apps::register))
        .route("/settings/apps/{id}", get(html::settings::apps::show))
        .route(
            "/settings/apps/{id}/webhooks",
            get(html::settings::webhooks::list).post(html::settings::webhooks::open),
        )
        .route("/settings/apps/{id}/webhooks/{webhook}/delete", post(html::settings::webhooks::close))
        .route("/settings/apps/{id}/webhooks/{webhook}/enable", post(html::settings::webhooks::enable))
        .route("/settings/apps/{id}/deliveries/{delivery}/replay", post(html::settings::webhooks::replay))
        .route("/settings/apps/{id}/keys", post(html::settings::apps::make_key))
        .route("/settings/apps/{id}/keys/rotate", post(html::settings::apps::rotate_keys))
        .route("/settings/apps/{id}/keys/{key}/end", post(html::settings::apps::end_key))
        .route("/settings/apps/{id}/delete", post(html::settings::apps::delete))
        .route("/logout", post(html::accounts::log_out));

    // The part of Mastodon's client API that Chitter has features for.
    let mastodon = Router::new()
        .route("/api/v1/timelines/public", get(api::peeps::public_timeline))
        .route("/api/v1/statuses", post(api::peeps::post))
        .route("/api/v1/statuses/{id}", get(api::peeps::get).put(api::peeps::edit).delete(api::peeps::delete))
        .route("/api/v1/statuses/{id}/context", get(api::peeps::context))
        .route("/api/v1/statuses/{id}/history", get(api::peeps::history))
        .route("/api/v1/statuses/{id}/favourite", post(api::peeps::favourite))
        .route("/api/v1/statuses/{id}/unfavourite", post(api::peeps::unfavourite))
        .route("/api/v1/streaming", get(socket::open));

    // Chitter's own API: rooms by the key in the path, matches, threads and more.
    let rooms = Router::new()
        .route("/api/v1/sessions", post(api::sessions::create))
        .route("/api/v1/sessions/current", delete(api::sessions::end))
        .route("/api/v1/rooms", get(api::rooms::list).post(api::rooms::create))
        .route(
            "/api/v1/rooms/{key}",
            get(api::rooms::get).patch(api::rooms::change).delete(api::rooms::delete),
        )
        .route("/api/v1/rooms/{key}/link", post(api::rooms::renew_link))
        .route("/api/v1/rooms/{key}/participants", get(api::rooms::participants))
        .route("/api/v1/rooms/{key}/participants/{id}", delete(api::rooms::remove))
        .route("/api/v1/rooms/{key}/hooks", get(api::hooks::list).post(api::hooks::create))
        .route("/api/v1/rooms/{key}/hooks/{id}", delete(api::hooks::delete))
        .route("/api/v1/sync", get(api::sync::get))
        .route("/api/v1/search", get(api::search::everywhere))
        .route("/api/v1/accounts/search", get(api::accounts::search))
        .route("/api/v1/threads", get(api::threads::list).post(api::threads::create))
        .route(
            "/api/v1/threads/{thread}",
            get(api::threads::get).patch(api::threads::change).delete(api::threads::delete),
        )
        .route("/api/v1/threads/{thread}/users", post(api::threads::add))
        .route("/api/v1/threads/{thread}/users/{id}", delete(api::threads::remove))
        .route("/api/v1/threads/{thread}/receipts", get(api::threads::receipts))
        .route("/api/v1/matches", post(api::matches::seek))
        .route(
            "/api/v1/matches/weekly",
            get(api::pairings::get).put(api::pairings::join).delete(api::pairings::leave),
        )
        .route("/api/v1/matches/current", get(api::matches::get).delete(api::matches::leave))
        .route("/api/v1/matches/current/next", post(api::matches::next))
        .route("/api/v1/matches/current/block", post(api::matches::block))
        .route("/api/v1/matches/current/report", post(api::matches::report))
        .route("/api/v1/matches/current/reveal", post(api::matches::reveal))
        .route("/api/v1/matches/current/pictures", post(api::matches::allow_pictures))
        .merge(messages("/api/v1/rooms/{key}"))
        .merge(messages("/api/v1/conversations/{conversation}"))
        .merge(messages("/api/v1/threads/{thread}"));

    // Uploads have a longer timeout, for photos over a slow connection.
    let uploads = Router::new()
        .route("/settings/page/sections/{id}", post(html::pages::editor::fill))
        .route("/api/v1/rooms/{key}/attachments", post(api::attachments::send))
        .route("/api/v1/conversations/{conversation}/attachments", post(api::attachments::send))
        .route("/api/v1/threads/{thread}/attachments", post(api::attachments::send))
        .layer(DefaultBodyLimit::max(MAX_UPLOAD))
        .layer(RequestBodyDeadlineLayer::new(UPLOAD_TIMEOUT))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            UPLOAD_TIMEOUT + RESPONSE_TIMEOUT,
        ));

    // Assets, hooks and probes.
    let machines = Router::new()
        .route("/assets/{version}/{*path}", get(assets::get))
        .route("/favicon.ico", get(assets::favicon))
        .route("/robots.txt", get(robots))
        .route("/.well-known/change-password", get(|| async { Redirect::to("/settings") }))
        .route("/hooks/{token}", post(api::hooks::call).layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready));

    let rate_limited = || middleware::from_fn_with_state(Arc::clone(&app), session::count);
    let site = pages
        .merge(mastodon.merge(rooms).layer(middleware::from_fn(conditional::answer)).layer(rate_limited()))
        .merge(machines)
        .fallback(|| async { Error::NotFound })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(RequestBodyDeadlineLayer::new(BODY_TIMEOUT))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, RESPONSE_TIMEOUT))
        .merge(uploads.layer(rate_limited()))
        .layer(cross_site(&app))
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(cors::add_headers))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), edge::edge))
        .with_state(Arc::clone(&app));
    // Runs before routing, because a member's own host name changes the path.
    let by_host = middleware::from_fn_with_state(app, hosts::rewrite_path);
    Router::new().fallback_service(ServiceBuilder::new().layer(by_host).service(site))
}

/// Returns the calls that every kind of conversation has, below a room's key, a conversation's id or a thread's id.
fn messages(prefix: &str) -> Router<Arc<App>> {
    let at = |path: &str| format!("{prefix}{path}");
    Router::new()
        .route(
            &at("/messages"),
            get(api::messages::list).post(api::messages::say).layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)),
        )
        .route(
            &at("/messages/{id}"),
            get(api::messages::get)
                .patch(api::messages::edit)
                .delete(api::messages::delete)
                .layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)),
        )
        .route(
            &at("/messages/{id}/reactions/{emoji}"),
            put(api::messages::react).delete(api::messages::unreact),
        )
        .route(
            &at("/messages/batch"),
            post(api::messages::say_all).layer(DefaultBodyLimit::max(MAX_MESSAGE_BODY)),
        )
        .route(&at("/typing"), post(api::messages::type_on))
        .route(&at("/read"), put(api::messages::read))
        .route(&at("/search"), get(api::search::here))
}

/// Refuses cross-site writes of browsers. Behind a proxy the request's `Host` may differ from the public one, so the
/// site's origin is trusted explicitly.
fn cross_site(app: &App) -> CsrfLayer {
    let layer = CsrfLayer::new();
    layer.clone().add_trusted_origin(app.config.base_url.as_str()).unwrap_or(layer)
}

/// `GET /robots.txt`: the paths that search engines skip, and the address of the sitemap.
async fn robots(State(app): State<Arc<App>>) -> String {
    format!("{ROBOTS}\nSitemap: {}/sitemap.xml\n", app.config.base_url.as_str())
}

/// `GET /readyz`: succeeds while the database can be read and the server is not stopping.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Error> {
    if app.stop.is_cancelled() {
        return Err(Error::Busy);
    }
    app.db.read(domain::peeps::last_seq).await?;
    Ok("ready\n")
}
