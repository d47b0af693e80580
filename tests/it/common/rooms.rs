//! Rooms and their participants: members with a cookie, guests with a token.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, Person, World};

/// A room's id and key.
#[derive(Clone, Debug)]
pub struct Room {
    pub id: String,
    /// The secret in the room's link.
    pub key: String,
}

impl Room {
    /// Reads the room from the API's JSON.
    pub fn from_json(room: &Value) -> Self {
        Room { id: text(&room["id"]), key: text(&room["key"]) }
    }

    /// Returns the path of the room's page, or of a page below it.
    pub fn page(&self, rest: &str) -> String {
        format!("/rooms/{}{rest}", self.key)
    }

    /// Returns the room's path in the API, or a path below it.
    pub fn api(&self, rest: &str) -> String {
        format!("/api/v1/rooms/{}{rest}", self.key)
    }
}

/// Returns the text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string was expected: {value}")).to_owned()
}

/// Returns one text member of each object in a list.
#[track_caller]
pub fn each(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("a list was expected: {list}"));
    list.iter().map(|item| text(&item[member])).collect()
}

/// A guest without a browser: a program that has only a token.
#[derive(Clone)]
pub struct Guest {
    /// The account's id.
    pub id: String,
    pub token: String,
    /// The client address that the proxy reports, or `None` for this machine.
    address: Option<&'static str>,
    program: Person,
}

impl Guest {
    /// Moves the guest to another client address.
    pub fn at(&self, address: &'static str) -> Self {
        Guest { address: Some(address), ..self.clone() }
    }
}

/// An API client: a member with a cookie, or a guest with a token.
pub trait ApiClient {
    /// Begins a request with this client's credentials.
    fn request(&self, method: Method, path: &str) -> RequestBuilder;

    /// Sends a request and reads the whole answer.
    async fn sends(&self, request: RequestBuilder) -> Answer;

    /// Sends JSON.
    async fn calls(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.sends(self.request(method, path).json(body)).await
    }

    /// Sends a request without a body.
    async fn does(&self, method: Method, path: &str) -> Answer {
        self.sends(self.request(method, path)).await
    }

    /// Sends a GET request.
    async fn fetches(&self, path: &str) -> Answer {
        self.does(Method::GET, path).await
    }

    /// Creates a room.
    async fn makes_room(&self, name: &str) -> Room {
        Room::from_json(
            &self.calls(Method::POST, "/api/v1/rooms", &json!({ "name": name })).await.is(201).json(),
        )
    }

    /// Joins the room through the API.
    async fn opens_link(&self, room: &Room) -> Answer {
        self.fetches(&room.api("")).await
    }

    /// Posts a message that may be refused.
    async fn tries_to_say(&self, room: &Room, body: &str) -> Answer {
        self.calls(Method::POST, &room.api("/messages"), &json!({ "body": body })).await
    }

    /// Posts a message. Returns the message.
    async fn says(&self, room: &Room, body: &str) -> Value {
        self.tries_to_say(room, body).await.is(201).json()
    }

    /// Returns the latest messages of a room.
    async fn messages(&self, room: &Room) -> Value {
        self.fetches(&room.api("/messages?limit=200")).await.is(200).list()
    }

    /// Returns the texts of the latest messages.
    async fn bodies(&self, room: &Room) -> Vec<String> {
        each(&self.messages(room).await, "body")
    }

    /// Returns the room's participants as the API lists them.
    async fn people(&self, room: &Room) -> Value {
        self.fetches(&room.api("/participants")).await.is(200).list()
    }

    /// Returns the names of those who are in the room now.
    async fn names(&self, room: &Room) -> Vec<String> {
        let people = self.people(room).await;
        let people = people.as_array().expect("a list of people");
        let people = people.iter().filter(|person| person["removed"] == false);
        people.map(|person| text(&person["account"]["name"])).collect()
    }

    /// Changes the room's settings, as its owner.
    async fn alters(&self, room: &Room, changes: &Value) -> Answer {
        self.calls(Method::PATCH, &room.api(""), changes).await
    }

    /// Removes a participant, as the room's owner.
    async fn removes(&self, room: &Room, id: &str) -> Answer {
        self.does(Method::DELETE, &room.api(&format!("/participants/{id}"))).await
    }

    /// Leaves the room.
    async fn leaves(&self, room: &Room) -> Answer {
        self.removes(room, "me").await
    }

    /// Uploads a file in the form field `file`.
    async fn uploads(&self, room: &Room, name: &str, bytes: &[u8]) -> Answer {
        self.sends(self.upload(room, "file", name, bytes)).await
    }

    /// Begins an upload in a form field of any name.
    fn upload(&self, room: &Room, field: &str, name: &str, bytes: &[u8]) -> RequestBuilder {
        let head = format!(
            "--boundary-7f3a\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: image/png\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, b"\r\n--boundary-7f3a--\r\n"].concat();
        let request = self.request(Method::POST, &room.api("/attachments"));
        request.header("content-type", "multipart/form-data; boundary=boundary-7f3a").body(body)
    }
}

impl ApiClient for Person {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path)
    }

    async fn sends(&self, request: RequestBuilder) -> Answer {
        self.sends(request).await
    }
}

impl Guest {
    /// Sends a request that may fail because the server stops.
    pub async fn tries(&self, request: RequestBuilder) -> Option<Answer> {
        self.program.tries(request).await.ok()
    }

    /// Returns the address of a path at the site's current address.
    pub fn url(&self, path: &str) -> String {
        self.program.url(path)
    }
}

impl ApiClient for Guest {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.program.request(method, path).bearer_auth(&self.token);
        match self.address {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        }
    }

    async fn sends(&self, request: RequestBuilder) -> Answer {
        self.program.sends(request).await
    }
}

impl World {
    /// Creates a guest through the API.
    pub async fn guest(&self, name: &str) -> Guest {
        let program = self.stranger();
        let session = program.calls(Method::POST, "/api/v1/sessions", &json!({ "name": name })).await;
        let session = session.is(201).json();
        Guest { id: text(&session["account"]["id"]), token: text(&session["token"]), address: None, program }
    }

    /// Returns a program that acts with this token.
    pub fn program(&self, token: &str) -> Guest {
        Guest { id: String::new(), token: token.to_owned(), address: None, program: self.stranger() }
    }

    /// Creates several guests in this order.
    pub async fn guests<const N: usize>(&self, names: [&str; N]) -> [Guest; N] {
        let mut guests = Vec::new();
        for name in names {
            guests.push(self.guest(name).await);
        }
        guests.try_into().ok().expect("one for each name")
    }

    /// Creates a guest who comes from this client address.
    pub async fn guest_from(&self, address: &'static str, name: &str) -> Guest {
        self.guest(name).await.at(address)
    }

    /// Creates a guest with a browser.
    pub async fn guest_with_browser(&self, name: &str) -> Person {
        let person = self.stranger();
        person.posts("/session/new", &[("name", name)]).await.is(303);
        person
    }

    /// Returns the number that a query counts in the instance's database.
    pub async fn counts(&self, sql: &'static str) -> i64 {
        let count = self.app().db.read(move |read| read.one(sql, &[], |row| row.get::<i64>(0)));
        count.await.expect("a count")
    }

    /// Posts to a hook.
    pub async fn calls_hook(&self, url: &str, call: &Value) -> Answer {
        let program = self.stranger();
        program.calls(Method::POST, self.path_of(url), call).await
    }

    /// Returns the path in an address of this site, whatever its host.
    pub fn path_of<'a>(&self, url: &'a str) -> &'a str {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.find('/').map_or("/", |at| &rest[at..])
    }
}
