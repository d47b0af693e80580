//! The document as a Postman collection (format 2.1). Each folder runs on a fresh instance, with nothing but its URL, a
//! token, and the usernames of two other members.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Call, calls};

/// The calls that set variables: the call, the value in its response, and the name of the variable.
const SETS_VARIABLE: [(&str, &str, &str); 10] = [
    ("sessions_create", "json.token", "guest"),
    ("threads_create", "json.id", "thread"),
    ("threads_create", "json.users[1].id", "account"),
    ("threads_create", "json.id", "conversation"),
    ("rooms_create", "json.key", "key"),
    ("messages_say", "json.id", "message"),
    ("messages_of_a_room_say", "json.id", "message"),
    ("messages_of_any_conversation_say", "json.id", "message"),
    ("hooks_create", "json.id", "hook"),
    ("peeps_post", "json.id", "peep"),
];

/// Returns the collection. `base` is the base URL.
pub fn collection(base: &str) -> Value {
    let mut folders: Vec<(String, Vec<Value>)> = Vec::new();
    let mut available = BTreeSet::new();
    for call in calls() {
        if folders.last().is_none_or(|(tag, _)| *tag != call.tag) {
            available.clear(); // each folder runs by itself
            folders.push((call.tag.clone(), Vec::new()));
        }
        let Some((_, items)) = folders.last_mut() else { continue };
        for name in needed_variables(call) {
            prepare(items, &mut available, &name, call);
        }
        items.push(item(call, &call.summary));
        available.extend(set_variables(call).map(|(.., name)| (*name).to_owned()));
        if call.method == "DELETE" || ENDS_TALK.contains(&call.id.as_str()) {
            needed_variables(call).last().map(|deleted| available.remove(deleted));
        }
    }
    let folders: Vec<_> =
        folders.into_iter().map(|(name, item)| json!({ "name": name, "item": item })).collect();
    json!({
        "info": {
            "name": "Chitter",
            "description": "Set token to a token of yours with the scopes read and write, other to somebody’s \
                            username, and third to somebody else’s.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": bearer("token"),
        "variable": [
            { "key": "base", "value": base },
            { "key": "token", "value": "" },
            { "key": "other", "value": "" },
            { "key": "third", "value": "" },
        ],
        "item": folders,
    })
}

/// The calls that need a talk, and those that end it.
const IN_TALK: [&str; 4] = ["matches_reveal", "matches_allow_pictures", "matches_next", "matches_block"];
const ENDS_TALK: [&str; 2] = ["matches_next", "matches_block"];

/// Returns the variables that have to be set before a call: those in its path, a talk or a guest.
fn needed_variables(call: &Call) -> Vec<String> {
    if IN_TALK.contains(&call.id.as_str()) {
        return vec!["talk".into()];
    }
    if call.id == "sessions_end" {
        return vec!["guest".into()];
    }
    let path = call.parameters.iter().filter(|field| field.location == "path");
    let variables = path
        .map(|field| call.variable(&field.name))
        .filter_map(|name| Some(name.strip_prefix('$')?.to_lowercase()));
    variables.collect()
}

/// Returns the entries of [`SETS_VARIABLE`] for a call.
fn set_variables(call: &Call) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static str)> {
    let id = call.id.clone();
    SETS_VARIABLE.iter().filter(move |(setter, ..)| *setter == id)
}

/// Adds the requests that set a variable for a call, unless the folder has them already.
fn prepare(items: &mut Vec<Value>, available: &mut BTreeSet<String>, name: &str, dependent: &Call) {
    if available.contains(name) {
        return;
    }
    let setter = match name {
        "message" if dependent.path.contains("/rooms/") => "messages_of_a_room_say",
        "message" if dependent.path.contains("/conversations/") => "messages_of_any_conversation_say",
        "message" => "messages_say",
        _ => SETS_VARIABLE.iter().find(|(.., variable)| *variable == name).map_or("", |(id, ..)| id),
    };
    if name == "talk" {
        items.extend(talk(dependent));
        available.insert(name.into());
        return;
    }
    let Some(call) = calls().iter().find(|call| call.id == setter) else { return };
    for needed in needed_variables(call) {
        prepare(items, available, &needed, call);
    }
    items.push(item(call, &format!("First: {}", call.summary)));
    available.extend(set_variables(call).map(|(.., name)| (*name).to_owned()));
}

/// Returns the requests that lead to a talk: a guest and the caller both wait until they are matched.
fn talk(dependent: &Call) -> Vec<Value> {
    let find_call = |id: &str| calls().iter().find(|call| call.id == id);
    let (Some(create_guest), Some(seek), Some(poll)) =
        (find_call("sessions_create"), find_call("matches_seek"), find_call("matches_get"))
    else {
        return Vec::new();
    };
    let mut poll_item = item(poll, "First: until they are brought together");
    let id = format!("talk_for_{}", dependent.id);
    poll_item["id"] = json!(id);
    poll_item["event"][0]["script"]["exec"] = json!([
        "const tries = 1 + Number(pm.variables.get('tries') || 0);",
        "const matched = pm.response.json().state === 'matched';",
        "pm.variables.set('tries', matched ? 0 : tries);",
        format!("if (!matched && tries < 500) pm.execution.setNextRequest('{id}');"),
        "else pm.test('They are brought together', () => pm.expect(matched).to.be.true);",
    ]);
    let mut guest_seek = item(seek, "First: a guest looks for a talk");
    guest_seek["request"]["auth"] = bearer("guest");
    let mut own_seek = item(seek, "First: and so does one oneself");
    // A caller who was waiting before may have been matched in the meantime.
    own_seek["event"][0]["script"]["exec"] =
        json!(["pm.test('One looks', () => pm.expect(pm.response.code).to.be.oneOf([201, 409]));"]);
    vec![item(create_guest, "First: a guest comes in"), guest_seek, own_seek, poll_item]
}

fn bearer(variable: &str) -> Value {
    let token = json!({ "key": "token", "value": format!("{{{{{variable}}}}}"), "type": "string" });
    json!({ "type": "bearer", "bearer": [token] })
}

/// Returns a request with the test of its response.
fn item(call: &Call, name: &str) -> Value {
    let mut path = call.target();
    for needed in needed_variables(call) {
        path = path.replace(&format!("${}", needed.to_uppercase()), &format!("{{{{{needed}}}}}"));
    }
    let mut header = Vec::new();
    let body = match &call.example {
        Some(example) => {
            header.push(json!({ "key": "Content-Type", "value": "application/json" }));
            // Other instances have other usernames than those in the examples.
            let raw =
                example.to_string().replace("\"ify\"", "\"{{other}}\"").replace("\"ha\"", "\"{{third}}\"");
            json!({ "mode": "raw", "raw": raw })
        }
        None if call.sends_file => {
            json!({ "mode": "formdata", "formdata": [{ "key": "file", "type": "file", "src": "photo.jpg" }] })
        }
        None => Value::Null,
    };
    let mut script = vec![format!(
        "pm.test('It is done', () => pm.expect(pm.response.code, pm.response.text()).to.equal({}));",
        call.status
    )];
    if set_variables(call).next().is_some() {
        script.push("const json = pm.response.json();".into());
    }
    script.extend(
        set_variables(call).map(|(_, at, name)| format!("pm.collectionVariables.set('{name}', {at});")),
    );
    let mut item = json!({
        "name": name,
        "event": [{ "listen": "test", "script": { "type": "text/javascript", "exec": script } }],
        "request": {
            "method": call.method, "header": header, "body": body,
            "description": call.description,
            "url": {
                "raw": format!("{{{{base}}}}{path}"), "host": ["{{base}}"],
                "path": path_of(&path), "query": query_of(&path),
            },
        },
    });
    if call.id == "sessions_end" {
        item["request"]["auth"] = bearer("guest");
    }
    item
}

fn path_of(path: &str) -> Vec<&str> {
    path.split('?').next().unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect()
}

fn query_of(path: &str) -> Vec<Value> {
    let query = path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| json!({ "key": key, "value": value })).collect()
}
