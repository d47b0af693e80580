//! The description of the API: OpenAPI 3.1, generated from the annotations of the handlers and completed by what all
//! operations have in common: authentication, errors and headers.

mod asyncapi;
mod calls;
mod postman;

use std::sync::LazyLock;

use bytes::Bytes;
use utoipa::{
    OpenApi as _, PartialSchema,
    openapi::{
        Components, Content, Header, HttpMethod, Info, License, ObjectBuilder, OpenApi, PathItem, Paths, Ref,
        RefOr, Required, Response, SecurityRequirement, Server, Tag,
        link::Link,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        schema::{ArrayItems, Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

pub use self::{
    asyncapi::asyncapi,
    calls::{Call, Field, Shape, calls, shapes},
    postman::collection,
};
use crate::{
    api,
    http::problem::{KINDS, Problem, Wrong},
    ids::{AttachmentId, ConversationId},
};

/// Declares one document per noun from the annotations of its handlers.
macro_rules! nouns {
    ($($name:ident: $($handler:path),+;)+) => {
        $(#[derive(utoipa::OpenApi)]
        #[openapi(paths($($handler),+))]
        struct $name;)+
    };
}

nouns! {
    Threads: api::threads::create, api::threads::list, api::threads::get, api::threads::change, api::threads::add,
        api::threads::remove, api::threads::receipts, api::threads::delete;
    Messages: api::messages::say, api::messages::say_all, api::messages::list, api::messages::get,
        api::messages::edit, api::messages::react, api::messages::unreact, api::messages::read,
        api::messages::type_on, api::search::here, api::attachments::send, api::messages::delete;
    Everywhere: api::sync::get, api::search::everywhere, api::accounts::search;
    Rooms: api::rooms::create, api::rooms::list, api::rooms::get, api::rooms::change, api::rooms::participants,
        api::rooms::remove, api::rooms::renew_link, api::rooms::delete;
    Hooks: api::hooks::create, api::hooks::list, api::hooks::delete;
    Peeps: api::peeps::post, api::peeps::public_timeline, api::peeps::get, api::peeps::edit,
        api::peeps::favourite, api::peeps::unfavourite, api::peeps::context, api::peeps::history,
        api::peeps::delete;
    Sessions: api::sessions::create, api::sessions::end;
    Matches: api::matches::seek, api::matches::get, api::matches::reveal, api::matches::allow_pictures,
        api::matches::next, api::matches::block, api::matches::report, api::matches::leave;
    Pairs: api::pairings::get, api::pairings::join, api::pairings::leave;
}

/// The name of the one security scheme.
const TOKEN: &str = "token";

/// A part of the document.
struct Noun {
    tag: &'static str,
    description: &'static str,
    /// The prefix of the handlers' paths.
    prefix: &'static str,
    /// The annotations of the handlers.
    handlers: OpenApi,
}

/// Returns all parts in the order of the document.
fn nouns() -> Vec<Noun> {
    let noun = |tag, description, prefix, handlers| Noun { tag, description, prefix, handlers };
    vec![
        noun("Threads", "Private conversations of 2 to 100 named people.", "", Threads::openapi()),
        noun(
            "Messages",
            "The messages of a thread. The same calls exist for rooms and for any other conversation.",
            "/api/v1/threads/{thread}",
            Messages::openapi(),
        ),
        noun(
            "Sync and search",
            "Catching up, and searching messages and accounts.",
            "",
            Everywhere::openapi(),
        ),
        noun("Rooms", "Conversations that everyone with the room’s key may join.", "", Rooms::openapi()),
        noun("Messages of a room", "The messages of a room.", "/api/v1/rooms/{key}", Messages::openapi()),
        noun("Hooks", "URLs for programs that post as they would to Slack.", "", Hooks::openapi()),
        noun("Peeps", "The public stream, as Mastodon’s client API has it.", "", Peeps::openapi()),
        noun("Sessions", "Guests: a name, and a token to act with.", "", Sessions::openapi()),
        noun("Matches", "Talks with strangers, behind masks.", "", Matches::openapi()),
        noun("Weekly pairs", "Members who are paired each Monday.", "", Pairs::openapi()),
        noun(
            "Messages of any conversation",
            "The messages of any conversation of the caller: a room, a match or a thread.",
            "/api/v1/conversations/{conversation}",
            Messages::openapi(),
        ),
    ]
}

/// The document.
pub static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);

/// Returns the document as JSON.
pub fn json() -> Bytes {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| DOCUMENT.to_json().unwrap_or_default().into());
    JSON.clone()
}

fn document() -> OpenApi {
    let mut info = Info::new("Chitter", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A home for a community: threads, rooms, matches and a public stream. Ids are decimal strings, larger is \
         later; times are RFC 3339 in UTC. Bodies are JSON; forms are taken, too."
            .into(),
    );
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let mut document = OpenApi::new(info, Paths::new());
    // The address that the document was fetched from: each instance has its own.
    document.servers = Some(vec![Server::new("/")]);
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, [])]);
    let (mut components, mut tags) = (Components::new(), Vec::new());
    for noun in nouns() {
        let mut tag = Tag::new(noun.tag);
        tag.description = Some(noun.description.into());
        tags.push(tag);
        components.schemas.extend(noun.handlers.components.unwrap_or_default().schemas);
        for (path, item) in noun.handlers.paths.paths {
            let path = format!("{}{path}", noun.prefix);
            for (method, mut operation) in operations(item) {
                complete(&mut operation, &path, &method, noun.tag);
                document.paths.add_path_operation(&path, vec![method], operation);
            }
        }
    }
    add_links(&mut document.paths);
    components.schemas.values_mut().for_each(remove_empty_defaults);
    for (name, schema) in &mut components.schemas {
        refer_to_items(name, schema);
    }
    document.tags = Some(tags);
    add_common(&mut components);
    document.components = Some(components);
    document
}

/// Returns the operations of a path by their method.
fn operations(item: PathItem) -> Vec<(HttpMethod, Operation)> {
    let all = [
        (HttpMethod::Post, item.post),
        (HttpMethod::Get, item.get),
        (HttpMethod::Put, item.put),
        (HttpMethod::Patch, item.patch),
        (HttpMethod::Delete, item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation?))).collect()
}

/// Adds what all operations have in common.
fn complete(operation: &mut Operation, path: &str, method: &HttpMethod, tag: &str) {
    let noun = tag.to_lowercase().replace(' ', "_");
    operation.operation_id = operation.operation_id.take().map(|name| format!("{noun}_{name}"));
    operation.tags = Some(vec![tag.into()]);
    // The description repeats the summary as its first paragraph.
    operation.description = operation.description.take().and_then(|all| {
        let rest = all.split_once("\n\n").map(|(_, rest)| rest.trim().replace('\n', " "))?;
        (!rest.is_empty()).then_some(rest)
    });
    let is_get = matches!(method, HttpMethod::Get);
    let parameters = operation.parameters.get_or_insert_default();
    if let Some(parameter) = path_parameter(path, parameters) {
        parameters.insert(0, parameter.into());
    }
    if matches!(method, HttpMethod::Post) {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/IdempotencyKey")));
    }
    if ["/api/v1/threads", "/api/v1/conversations", "/api/v1/search", "/api/v1/sync"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
    {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/As")));
    }
    if is_get {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/IfNoneMatch")));
    }
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let mut headers = vec!["X-Request-Id", "RateLimit", "RateLimit-Policy"];
        if is_get {
            headers.push("ETag");
        }
        if matches!(method, HttpMethod::Post) {
            headers.push("Idempotency-Replayed");
        }
        let is_list = serde_json::to_string(&response.content).is_ok_and(|content| content.contains("List_"));
        if is_list || ["/api/v1/timelines/public", "/api/v1/sync"].contains(&path) {
            headers.push("Link");
        }
        for name in headers {
            response
                .headers
                .insert(name.into(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}"))));
        }
    }
    let mut errors = vec!["304", "400", "401", "403", "404", "422", "429", "500", "503"];
    if !is_get {
        errors.remove(0);
        errors.extend(["408", "409", "507"]);
    }
    if operation.request_body.is_some() {
        errors.extend(["413", "415"]);
    }
    for status in errors {
        let reference = Ref::from_response_name(name_of(status));
        operation.responses.responses.insert(status.into(), reference.into());
    }
}

/// Returns the path parameter that names a conversation, unless the handler declares it itself.
fn path_parameter(path: &str, declared: &[RefOr<Parameter>]) -> Option<Parameter> {
    let (name, description, schema) = [
        ("thread", "The thread’s id.", ConversationId::schema()),
        ("conversation", "The conversation’s id.", ConversationId::schema()),
        ("key", "The key in the room’s link.", String::schema()),
    ]
    .into_iter()
    .find(|(name, ..)| path.contains(&format!("{{{name}}}")))?;
    let is_same = |other: &RefOr<Parameter>| matches!(other, RefOr::T(other) if other.name == name);
    if declared.iter().any(is_same) {
        return None;
    }
    Some(
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(schema))
            .build(),
    )
}

/// Returns the name of a status among the components.
fn name_of(status: &str) -> String {
    match status {
        "304" => "NotModified".into(),
        _ => format!("Status{status}"),
    }
}

/// The calls that create something which the paths of other calls name: the call, the name of the parameter, and the
/// JSON pointer to its value in the response.
const CREATING_CALLS: [(&str, &str, &str); 7] = [
    ("threads_create", "thread", "/id"),
    ("rooms_create", "key", "/key"),
    ("hooks_create", "id", "/id"),
    ("messages_say", "id", "/id"),
    ("messages_of_a_room_say", "id", "/id"),
    ("messages_of_any_conversation_say", "id", "/id"),
    ("peeps_post", "id", "/id"),
];

/// Links the calls that create something to those that use it.
fn add_links(paths: &mut Paths) {
    let operations_by_path: Vec<(String, String)> = paths
        .paths
        .iter()
        .flat_map(|(path, item)| {
            let ids =
                operations(item.clone()).into_iter().filter_map(|(_, operation)| operation.operation_id);
            ids.map(|id| (path.clone(), id)).collect::<Vec<_>>()
        })
        .collect();
    for (path, item) in &mut paths.paths {
        let Some(operation) = &mut item.post else { continue };
        let created = CREATING_CALLS.iter().find(|(id, ..)| operation.operation_id.as_deref() == Some(id));
        let Some((_, name, pointer)) = created else { continue };
        // Only in paths below this one the parameter certainly names the created object.
        let below = match *name {
            "id" => format!("{path}/{{id}}"),
            parameter => format!("{path}/{{{parameter}}}"),
        };
        let container =
            ["thread", "conversation", "key"].into_iter().find(|name| path.contains(&format!("{{{name}}}")));
        for response in operation.responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            for (_, id) in operations_by_path.iter().filter(|(path, _)| path.starts_with(&below)) {
                let mut link =
                    Link::builder().operation_id(id).parameter(*name, format!("$response.body#{pointer}"));
                if let Some(name) = container {
                    link = link.parameter(name, format!("$request.path.{name}"));
                }
                response.links.insert(id.clone(), link.build().into());
            }
        }
    }
}

/// Removes defaults that carry no information: `null` and the empty string of optional members.
fn remove_empty_defaults(schema: &mut RefOr<Schema>) {
    let RefOr::T(Schema::Object(object)) = schema else { return };
    for member in object.properties.values_mut() {
        let default = match member {
            RefOr::T(Schema::Object(member)) => &mut member.default,
            RefOr::T(Schema::Array(member)) => &mut member.default,
            RefOr::T(Schema::OneOf(member)) => &mut member.default,
            _ => continue,
        };
        *default = default
            .take()
            .filter(|value| value.is_boolean() || value.as_str().is_some_and(|s| !s.is_empty()));
    }
}

/// Replaces the inlined items of a page by a reference to their schema.
fn refer_to_items(name: &str, schema: &mut RefOr<Schema>) {
    let (Some(item), RefOr::T(Schema::Object(page))) = (name.strip_prefix("List_"), schema) else { return };
    if let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data") {
        data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
    }
}

/// Adds the components that all operations share.
fn add_common(components: &mut Components) {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A personal access token (cht_…), an app’s key (chk_…), or the token of a guest’s session.",
        ))
        .build();
    components.security_schemes.insert(TOKEN.into(), SecurityScheme::Http(token).into());
    components.schemas.insert("Problem".into(), Problem::schema());
    components.schemas.insert("Wrong".into(), Wrong::schema());
    components.schemas.insert("AttachmentId".into(), AttachmentId::schema());

    let text = || ObjectBuilder::new().schema_type(Type::String);
    for (name, description, schema) in [
        ("X-Request-Id", "The request’s id: quote it to the administrator when something is wrong.", text()),
        ("RateLimit", "The requests left within each limit, and the seconds until it is full again.", text()),
        (
            "RateLimit-Policy",
            "The limits: the number of requests, and the seconds in which they may be made.",
            text(),
        ),
        ("ETag", "The version of the resource: send it in If-None-Match.", text()),
        ("Link", "The previous and the next page (RFC 8288).", text()),
        (
            "Idempotency-Replayed",
            "`true` if this response was given before to the same Idempotency-Key.",
            text().pattern(Some("^true$")),
        ),
        (
            "Retry-After",
            "The seconds after which to try again.",
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1.0)),
        ),
        ("WWW-Authenticate", "The authentication scheme.", text()),
    ] {
        let mut header = Header::new(schema.build());
        header.description = Some(description.into());
        components.headers.insert(name.into(), header.into());
    }

    let parameter = |name: &str, location: ParameterIn, description: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(location)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema.build()))
            .build()
    };
    components.parameters.extend([
        (
            "IdempotencyKey".to_owned(),
            RefOr::from(parameter(
                "Idempotency-Key",
                ParameterIn::Header,
                "Requests with the same key within a day are executed once, and all get the same response.",
                text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]([ -~]*[!-~])?$")),
            )),
        ),
        (
            "As".to_owned(),
            RefOr::from(parameter(
                "as",
                ParameterIn::Query,
                "The person on whose behalf an app acts; its key needs the scope act_as.",
                text().min_length(Some(1)).max_length(Some(64)),
            )),
        ),
        (
            "IfNoneMatch".to_owned(),
            RefOr::from(parameter(
                "If-None-Match",
                ParameterIn::Header,
                "The ETag of the version that the caller has: the response is 304 if that is current.",
                text(),
            )),
        ),
    ]);
    components.responses.insert(name_of("304"), not_modified().into());
    for kind in KINDS {
        let status = kind.status.as_u16().to_string();
        let name = name_of(&status);
        // Two problem types may share a status.
        let previous = match components.responses.remove(&name) {
            Some(RefOr::T(previous)) => format!("{} ", previous.description),
            _ => String::new(),
        };
        let response = error_response(&status, &format!("{previous}{}: {}", kind.title, kind.meaning));
        components.responses.insert(name, response.into());
    }
}

fn not_modified() -> Response {
    let mut response = Response::new("The version that the caller has is current.");
    response.headers.insert("ETag".into(), RefOr::Ref(Ref::new("#/components/headers/ETag")));
    response
}

fn error_response(status: &str, description: &str) -> Response {
    let mut response = Response::new(description);
    let mut headers = vec!["X-Request-Id", "RateLimit", "RateLimit-Policy"];
    match status {
        "429" | "503" => headers.push("Retry-After"),
        "401" => headers.push("WWW-Authenticate"),
        _ => {}
    }
    for name in headers {
        response.headers.insert(name.into(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}"))));
    }
    let content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))));
    response.content.insert("application/problem+json".into(), content.into());
    response
}
