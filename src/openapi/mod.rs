//! The API's document: OpenAPI 3.1, made from what stands at the handlers, and completed by what is the same for
//! all of them: who may call, what goes wrong, and which headers come along.

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

/// What stands at the handlers of one noun.
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

/// Part of the document: its tag, what it is about, the path before it, and what stands at the handlers.
struct Noun {
    tag: &'static str,
    about: &'static str,
    door: &'static str,
    of: OpenApi,
}

/// All of them, in the order in which they are told.
fn nouns() -> Vec<Noun> {
    let noun = |tag, about, door, of| Noun { tag, about, door, of };
    vec![
        noun("Threads", "Private conversations of 2 to 100 people who are named.", "", Threads::openapi()),
        noun(
            "Messages",
            "What is said in a thread. The same can be done in rooms and in any other conversation.",
            "/api/v1/threads/{thread}",
            Messages::openapi(),
        ),
        noun(
            "Sync and search",
            "Catching up, and finding what was said and who is there.",
            "",
            Everywhere::openapi(),
        ),
        noun("Rooms", "Whoever has a room’s key is in.", "", Rooms::openapi()),
        noun("Messages of a room", "What is said in a room.", "/api/v1/rooms/{key}", Messages::openapi()),
        noun("Hooks", "Doors for programs that post as to Slack.", "", Hooks::openapi()),
        noun("Peeps", "The public stream, as Mastodon’s client API has it.", "", Peeps::openapi()),
        noun("Sessions", "Guests: a name, and a token to act with.", "", Sessions::openapi()),
        noun("Matches", "Talks with strangers, behind masks.", "", Matches::openapi()),
        noun("Weekly pairs", "Members who are brought together each Monday.", "", Pairs::openapi()),
        noun(
            "Messages of any conversation",
            "What is said in any conversation that one is in: a room, a match or a thread.",
            "/api/v1/conversations/{conversation}",
            Messages::openapi(),
        ),
    ]
}

/// The document.
pub static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);

/// The same as JSON.
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
    // Wherever the document was fetched from: each place has its own address.
    document.servers = Some(vec![Server::new("/")]);
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, [])]);
    let (mut components, mut tags) = (Components::new(), Vec::new());
    for noun in nouns() {
        let mut tag = Tag::new(noun.tag);
        tag.description = Some(noun.about.into());
        tags.push(tag);
        components.schemas.extend(noun.of.components.unwrap_or_default().schemas);
        for (path, item) in noun.of.paths.paths {
            let path = format!("{}{path}", noun.door);
            for (method, mut operation) in operations(item) {
                complete(&mut operation, &path, &method, noun.tag);
                document.paths.add_path_operation(&path, vec![method], operation);
            }
        }
    }
    follow(&mut document.paths);
    components.schemas.values_mut().for_each(tidy);
    for (name, schema) in &mut components.schemas {
        page_of(name, schema);
    }
    document.tags = Some(tags);
    common(&mut components);
    document.components = Some(components);
    document
}

/// What can be done at a path, by its method.
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

/// Adds what is the same for all of them.
fn complete(operation: &mut Operation, path: &str, method: &HttpMethod, tag: &str) {
    let noun = tag.to_lowercase().replace(' ', "_");
    operation.operation_id = operation.operation_id.take().map(|name| format!("{noun}_{name}"));
    operation.tags = Some(vec![tag.into()]);
    // The first line is the summary, and stands in the rest once more.
    operation.description = operation.description.take().and_then(|all| {
        let rest = all.split_once("\n\n").map(|(_, rest)| rest.trim().replace('\n', " "))?;
        (!rest.is_empty()).then_some(rest)
    });
    let reads = matches!(method, HttpMethod::Get);
    let parameters = operation.parameters.get_or_insert_default();
    if let Some(door) = door(path, parameters) {
        parameters.insert(0, door.into());
    }
    if matches!(method, HttpMethod::Post) {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/IdempotencyKey")));
    }
    if ["/api/v1/threads", "/api/v1/conversations", "/api/v1/search", "/api/v1/sync"]
        .iter()
        .any(|of| path.starts_with(of))
    {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/As")));
    }
    if reads {
        parameters.push(RefOr::Ref(Ref::new("#/components/parameters/IfNoneMatch")));
    }
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        let mut headers = vec!["X-Request-Id", "RateLimit", "RateLimit-Policy"];
        if reads {
            headers.push("ETag");
        }
        if matches!(method, HttpMethod::Post) {
            headers.push("Idempotency-Replayed");
        }
        let list = serde_json::to_string(&response.content).is_ok_and(|content| content.contains("List_"));
        if list || ["/api/v1/timelines/public", "/api/v1/sync"].contains(&path) {
            headers.push("Link");
        }
        for name in headers {
            response
                .headers
                .insert(name.into(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}"))));
        }
    }
    let mut refusals = vec!["304", "400", "401", "403", "404", "422", "429", "500", "503"];
    if !reads {
        refusals.remove(0);
        refusals.extend(["408", "409", "507"]);
    }
    if operation.request_body.is_some() {
        refusals.extend(["413", "415"]);
    }
    for status in refusals {
        let to = Ref::from_response_name(name_of(status));
        operation.responses.responses.insert(status.into(), to.into());
    }
}

/// The parameter of the door by which one comes to a conversation, where the handler itself names none.
fn door(path: &str, named: &[RefOr<Parameter>]) -> Option<Parameter> {
    let (name, about, schema) = [
        ("thread", "The thread’s id.", ConversationId::schema()),
        ("conversation", "The conversation’s id.", ConversationId::schema()),
        ("key", "The key in the room’s link.", String::schema()),
    ]
    .into_iter()
    .find(|(name, ..)| path.contains(&format!("{{{name}}}")))?;
    let there = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.name == name);
    if named.iter().any(there) {
        return None;
    }
    Some(
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(about))
            .schema(Some(schema))
            .build(),
    )
}

/// How the answers of a status are called among the components.
fn name_of(status: &str) -> String {
    match status {
        "304" => "NotModified".into(),
        _ => format!("Status{status}"),
    }
}

/// What is made by one call, and named in the paths of others: the call, the name, and where it is answered.
const MADE: [(&str, &str, &str); 7] = [
    ("threads_create", "thread", "/id"),
    ("rooms_create", "key", "/key"),
    ("hooks_create", "id", "/id"),
    ("messages_say", "id", "/id"),
    ("messages_of_a_room_say", "id", "/id"),
    ("messages_of_any_conversation_say", "id", "/id"),
    ("peeps_post", "id", "/id"),
];

/// Links what is made to what can be done with it.
fn follow(paths: &mut Paths) {
    let all: Vec<(String, String)> = paths
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
        let made = MADE.iter().find(|(id, ..)| operation.operation_id.as_deref() == Some(id));
        let Some((_, name, pointer)) = made else { continue };
        // Below what was made, and by the same door: only that is sure to be the same thing.
        let below = match *name {
            "id" => format!("{path}/{{id}}"),
            door => format!("{path}/{{{door}}}"),
        };
        let door =
            ["thread", "conversation", "key"].into_iter().find(|door| path.contains(&format!("{{{door}}}")));
        for response in operation.responses.responses.values_mut() {
            let RefOr::T(response) = response else { continue };
            for (_, id) in all.iter().filter(|(path, _)| path.starts_with(&below)) {
                let mut link =
                    Link::builder().operation_id(id).parameter(*name, format!("$response.body#{pointer}"));
                if let Some(door) = door {
                    link = link.parameter(door, format!("$request.path.{door}"));
                }
                response.links.insert(id.clone(), link.build().into());
            }
        }
    }
}

/// Takes away what says nothing: a member that may be missing is nothing then, and need not say so.
fn tidy(schema: &mut RefOr<Schema>) {
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

/// A page names what is on it, and does not spell it out.
fn page_of(name: &str, schema: &mut RefOr<Schema>) {
    let (Some(of), RefOr::T(Schema::Object(page))) = (name.strip_prefix("List_"), schema) else { return };
    if let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data") {
        data.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(of).into()));
    }
}

/// What all of them speak of.
fn common(components: &mut Components) {
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
    for (name, about, schema) in [
        ("X-Request-Id", "The request’s number: name it to whoever keeps the place.", text()),
        ("RateLimit", "What is left of the limits, and after how many seconds it is whole again.", text()),
        ("RateLimit-Policy", "The limits: how many, in how many seconds.", text()),
        ("ETag", "Which state this is: send it in If-None-Match.", text()),
        ("Link", "The pages before and after (RFC 8288).", text()),
        (
            "Idempotency-Replayed",
            "`true` where this answer was given before to the same Idempotency-Key.",
            text().pattern(Some("^true$")),
        ),
        (
            "Retry-After",
            "After how many seconds to try again.",
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1.0)),
        ),
        ("WWW-Authenticate", "How to say who one is.", text()),
    ] {
        let mut header = Header::new(schema.build());
        header.description = Some(about.into());
        components.headers.insert(name.into(), header.into());
    }

    let parameter = |name: &str, place: ParameterIn, about: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema.build()))
            .build()
    };
    components.parameters.extend([
        (
            "IdempotencyKey".to_owned(),
            RefOr::from(parameter(
                "Idempotency-Key",
                ParameterIn::Header,
                "However often it is sent within a day, it is done once, and the same answer given.",
                text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]([ -~]*[!-~])?$")),
            )),
        ),
        (
            "As".to_owned(),
            RefOr::from(parameter(
                "as",
                ParameterIn::Query,
                "For which of its people an app asks; its key needs the scope act_as.",
                text().min_length(Some(1)).max_length(Some(64)),
            )),
        ),
        (
            "IfNoneMatch".to_owned(),
            RefOr::from(parameter(
                "If-None-Match",
                ParameterIn::Header,
                "The ETag of what one has: answered by 304 where that is still so.",
                text(),
            )),
        ),
    ]);
    components.responses.insert(name_of("304"), not_modified().into());
    for kind in KINDS {
        let status = kind.status.as_u16().to_string();
        let name = name_of(&status);
        // Two types of problem may share a status.
        let before = match components.responses.remove(&name) {
            Some(RefOr::T(before)) => format!("{} ", before.description),
            _ => String::new(),
        };
        let response = refusal(&status, &format!("{before}{}: {}", kind.title, kind.meaning));
        components.responses.insert(name, response.into());
    }
}

fn not_modified() -> Response {
    let mut response = Response::new("It is still as you have it.");
    response.headers.insert("ETag".into(), RefOr::Ref(Ref::new("#/components/headers/ETag")));
    response
}

fn refusal(status: &str, about: &str) -> Response {
    let mut response = Response::new(about);
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
