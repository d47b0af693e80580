//! Rooms, and who talks in them: members by their cookie, guests by their token.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, Person, World};

/// A room as somebody found it.
#[derive(Clone, Debug)]
pub struct Room {
    /// Its id.
    pub id: String,
    /// The key in its link.
    pub key: String,
}

impl Room {
    /// The room that the API tells of.
    pub fn of(told: &Value) -> Self {
        Room { id: text(&told["id"]), key: text(&told["key"]) }
    }

    /// The path of its page, and of what is below it.
    pub fn page(&self, rest: &str) -> String {
        format!("/rooms/{}{rest}", self.key)
    }

    /// Its path in the API, and of what is below it.
    pub fn api(&self, rest: &str) -> String {
        format!("/api/v1/rooms/{}{rest}", self.key)
    }
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string was expected: {value}")).to_owned()
}

/// One of the members of each object in a list, as text.
#[track_caller]
pub fn each(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list was expected: {list}"));
    list.iter().map(|one| text(&one[member])).collect()
}

/// A guest by the API: a program that has nothing but a token.
#[derive(Clone)]
pub struct Guest {
    /// The account's id.
    pub id: String,
    /// What it acts with.
    pub token: String,
    /// Where it comes from, as the proxy says; else from this machine.
    address: Option<&'static str>,
    program: Person,
}

impl Guest {
    /// The same guest at another address.
    pub fn at(&self, address: &'static str) -> Self {
        Guest { address: Some(address), ..self.clone() }
    }
}

/// Somebody who can come into a room and say something there.
pub trait Talks {
    /// A request as this one sends it, to be filled in.
    fn asks(&self, method: Method, path: &str) -> RequestBuilder;

    /// Sends it, and reads the answer to its end.
    async fn hears(&self, request: RequestBuilder) -> Answer;

    /// Sends JSON.
    async fn calls(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.hears(self.asks(method, path).json(body)).await
    }

    /// Sends nothing but the method.
    async fn does(&self, method: Method, path: &str) -> Answer {
        self.hears(self.asks(method, path)).await
    }

    /// `GET`
    async fn fetches(&self, path: &str) -> Answer {
        self.does(Method::GET, path).await
    }

    /// Makes a room.
    async fn makes_room(&self, name: &str) -> Room {
        Room::of(&self.calls(Method::POST, "/api/v1/rooms", &json!({ "name": name })).await.is(201).json())
    }

    /// Opens the link, by the API.
    async fn opens_link(&self, room: &Room) -> Answer {
        self.fetches(&room.api("")).await
    }

    /// Tries to say something.
    async fn tries_to_say(&self, room: &Room, body: &str) -> Answer {
        self.calls(Method::POST, &room.api("/messages"), &json!({ "body": body })).await
    }

    /// Says something; the message.
    async fn says(&self, room: &Room, body: &str) -> Value {
        self.tries_to_say(room, body).await.is(201).json()
    }

    /// The latest messages of a room.
    async fn messages(&self, room: &Room) -> Value {
        self.fetches(&room.api("/messages?limit=200")).await.is(200).list()
    }

    /// What the latest messages say.
    async fn bodies(&self, room: &Room) -> Vec<String> {
        each(&self.messages(room).await, "body")
    }

    /// Who is in the room, as it is told.
    async fn people(&self, room: &Room) -> Value {
        self.fetches(&room.api("/participants")).await.is(200).list()
    }

    /// What those are called who are in the room.
    async fn names(&self, room: &Room) -> Vec<String> {
        let people = self.people(room).await;
        let people = people.as_array().expect("a list of people");
        people.iter().filter(|one| one["removed"] == false).map(|one| text(&one["account"]["name"])).collect()
    }

    /// Changes the room, as its owner.
    async fn alters(&self, room: &Room, changes: &Value) -> Answer {
        self.calls(Method::PATCH, &room.api(""), changes).await
    }

    /// Removes someone from the room, as its owner.
    async fn removes(&self, room: &Room, id: &str) -> Answer {
        self.does(Method::DELETE, &room.api(&format!("/participants/{id}"))).await
    }

    /// Leaves the room.
    async fn leaves(&self, room: &Room) -> Answer {
        self.removes(room, "me").await
    }

    /// Sends a file in the form field `file`.
    async fn uploads(&self, room: &Room, name: &str, bytes: &[u8]) -> Answer {
        self.hears(self.upload(room, "file", name, bytes)).await
    }

    /// The request that sends a file in some form field.
    fn upload(&self, room: &Room, field: &str, name: &str, bytes: &[u8]) -> RequestBuilder {
        let head = format!(
            "--boundary-7f3a\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--boundary-7f3a--\r\n"].concat();
        let request = self.asks(Method::POST, &room.api("/attachments"));
        request.header("content-type", "multipart/form-data; boundary=boundary-7f3a").body(body)
    }
}

impl Talks for Person {
    fn asks(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
    }

    async fn hears(&self, request: RequestBuilder) -> Answer {
        self.sends(request).await
    }
}

impl Guest {
    /// Sends a request that may get no answer, because the server goes away.
    pub async fn tries(&self, request: RequestBuilder) -> Option<Answer> {
        self.program.tries(request).await.ok()
    }

    /// The address of a path, wherever the site is now.
    pub fn url(&self, path: &str) -> String {
        self.program.url(path)
    }
}

impl Talks for Guest {
    fn asks(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.program.request(method, path).bearer_auth(&self.token);
        match self.address {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        }
    }

    async fn hears(&self, request: RequestBuilder) -> Answer {
        self.program.sends(request).await
    }
}

impl World {
    /// A guest who comes by the API.
    pub async fn guest(&self, name: &str) -> Guest {
        let program = self.stranger();
        let session = program.calls(Method::POST, "/api/v1/sessions", &json!({ "name": name })).await;
        let session = session.is(201).json();
        Guest { id: text(&session["account"]["id"]), token: text(&session["token"]), address: None, program }
    }

    /// A program that acts with this token.
    pub fn program(&self, token: &str) -> Guest {
        Guest { id: String::new(), token: token.to_owned(), address: None, program: self.stranger() }
    }

    /// Several guests who come in this order.
    pub async fn guests<const N: usize>(&self, names: [&str; N]) -> [Guest; N] {
        let mut guests = Vec::new();
        for name in names {
            guests.push(self.guest(name).await);
        }
        guests.try_into().ok().expect("as many as were asked for")
    }

    /// The same, from this address.
    pub async fn guest_from(&self, address: &'static str, name: &str) -> Guest {
        self.guest(name).await.at(address)
    }

    /// A guest with a browser.
    pub async fn guest_with_browser(&self, name: &str) -> Person {
        let person = self.stranger();
        person.posts("/session/new", &[("name", name)]).await.is(303);
        person
    }

    /// The number that a statement counts, behind the scenes.
    pub async fn counts(&self, sql: &'static str) -> i64 {
        let counted = self.app().db.read(move |read| read.one(sql, &[], |row| row.get::<i64>(0)));
        counted.await.expect("the rows can be counted")
    }

    /// Posts to a door for programs.
    pub async fn rings(&self, url: &str, call: &Value) -> Answer {
        let program = self.stranger();
        program.calls(Method::POST, self.path_of(url), call).await
    }

    /// The path in an address of this site, which may say another host.
    pub fn path_of<'a>(&self, url: &'a str) -> &'a str {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }
}
