//! The document as a list of calls, for the reference page, the Postman collection and tests.

use std::{fmt::Write, sync::LazyLock};

use serde_json::Value;

use super::DOCUMENT;

/// An operation of the API.
#[derive(Debug)]
pub struct Call {
    /// The operation's id, which is also its anchor on the reference page.
    pub id: String,
    pub tag: String,
    /// The method in capitals: `GET`, `POST` …
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// The summary in one line.
    pub summary: String,
    /// The description without the summary, or an empty string.
    pub description: String,
    /// True if the call works without a token.
    pub is_open: bool,
    /// The parameters in the path, the query and the headers.
    pub parameters: Vec<Field>,
    /// The name of the body's schema, or an empty string.
    pub body: String,
    /// The members of the body.
    pub fields: Vec<Field>,
    /// An example of the body.
    pub example: Option<Value>,
    /// True if the body is a file.
    pub sends_file: bool,
    /// The status of success.
    pub status: u16,
    /// The type of the response, for people, or an empty string.
    pub response_type: String,
    /// The description of the response.
    pub response_description: String,
}

/// A value in a request or a response.
#[derive(Debug)]
pub struct Field {
    pub name: String,
    /// `path`, `query`, `header` or `body`.
    pub location: String,
    /// The type, for people.
    pub kind: String,
    pub required: bool,
    pub description: String,
    pub example: Option<String>,
}

/// An object in responses.
#[derive(Debug)]
pub struct Shape {
    pub name: String,
    pub description: String,
    pub fields: Vec<Field>,
}

/// Returns the objects in responses, in alphabetical order.
pub fn shapes() -> &'static [Shape] {
    static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
        let json = serde_json::to_value(&*DOCUMENT).unwrap_or_default();
        let bodies: Vec<&str> = calls().iter().map(|call| call.body.as_str()).collect();
        let schemas = json["components"]["schemas"].as_object().into_iter().flatten();
        let shown = schemas.filter(|(name, schema)| {
            schema["type"] == "object" && !name.starts_with("List_") && !bodies.contains(&name.as_str())
        });
        let shape = |(name, schema): (&String, &Value)| Shape {
            name: name.clone(),
            description: plain_text(&schema["description"]),
            fields: fields(schema),
        };
        shown.map(shape).collect()
    });
    &SHAPES
}

/// Returns all calls in the order of the document.
pub fn calls() -> &'static [Call] {
    static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
        let json = serde_json::to_value(&*DOCUMENT).unwrap_or_default();
        let tags = json["tags"].as_array().into_iter().flatten();
        let order: Vec<String> = tags.map(|tag| text(&tag["name"])).collect();
        let mut calls = Vec::new();
        // Objects in `json` have no order, so it is taken from the document's paths.
        for path in DOCUMENT.paths.paths.keys() {
            for method in ["post", "get", "put", "patch", "delete"] {
                let operation = &json["paths"][path][method];
                if operation.is_object() {
                    calls.push(call(&json, path, method, operation));
                }
            }
        }
        calls.sort_by_key(|call| order.iter().position(|tag| *tag == call.tag));
        calls
    });
    &CALLS
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns a Markdown text without the backticks around code.
fn plain_text(value: &Value) -> String {
    text(value).replace('`', "")
}

/// Follows a reference, or returns the value itself.
fn resolved<'a>(json: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => json.pointer(reference.trim_start_matches('#')).unwrap_or(value),
        None => value,
    }
}

fn call(json: &Value, path: &str, method: &str, operation: &Value) -> Call {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters = parameters.map(|parameter| resolved(json, parameter)).map(|parameter| Field {
        name: text(&parameter["name"]),
        location: text(&parameter["in"]),
        kind: kind(&parameter["schema"]),
        required: parameter["required"] == true,
        description: plain_text(&parameter["description"]),
        example: parameter["example"].as_str().or(parameter["schema"]["example"].as_str()).map(Into::into),
    });
    let content = &operation["requestBody"]["content"];
    let body = match content.as_object().and_then(|content| content.values().next()) {
        Some(content) => &content["schema"],
        None => &Value::Null,
    };
    // An optional body is a choice of the body and null.
    let body = body["oneOf"]
        .as_array()
        .and_then(|choices| choices.iter().find(|choice| choice["$ref"].is_string()))
        .unwrap_or(body);
    let schema = resolved(json, body);
    let success = ["200", "201", "204"].into_iter().find(|status| operation["responses"][status].is_object());
    let status = success.unwrap_or("200");
    let response = &operation["responses"][status];
    Call {
        id: text(&operation["operationId"]),
        tag: text(&operation["tags"][0]),
        method: method.to_uppercase(),
        path: path.into(),
        summary: text(&operation["summary"]),
        description: plain_text(&operation["description"]),
        is_open: operation["security"]
            .as_array()
            .is_some_and(|schemes| schemes.iter().any(|scheme| *scheme == serde_json::json!({}))),
        parameters: parameters.collect(),
        body: body["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next())
            .unwrap_or_default()
            .into(),
        fields: fields(schema),
        example: Some(schema["example"].clone()).filter(|example| !example.is_null()),
        sends_file: content["multipart/form-data"].is_object(),
        status: status.parse().unwrap_or_default(),
        response_type: kind(&response["content"]["application/json"]["schema"]),
        response_description: plain_text(&response["description"]),
    }
}

/// Returns the members of an object, required ones first.
fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<String> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let members = schema["properties"].as_object().into_iter().flatten();
    let fields = members.map(|(name, member)| Field {
        name: name.clone(),
        location: "body".into(),
        kind: kind(member),
        required: required.contains(name),
        description: plain_text(&member["description"]),
        example: None,
    });
    let mut fields: Vec<Field> = fields.collect();
    fields.sort_by_key(|field| !field.required);
    fields
}

/// Returns the type of a value, for people: `text`, `number`, `list of text`, `Thread or null`.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return match name.strip_prefix("List_") {
            Some(item) => format!("a page of {item}"),
            None if name.ends_with("Id") => "id".into(),
            None => name.into(),
        };
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(options) = schema[choice].as_array() {
            let kinds: Vec<String> = options.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    match &schema["type"] {
        Value::Array(types) => {
            let types: Vec<_> = types.iter().filter_map(Value::as_str).map(readable).collect();
            types.join(" or ")
        }
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => readable(name).into(),
        _ => String::new(),
    }
}

/// Returns a JSON type for people.
fn readable(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" | "number" => "number",
        "boolean" => "true or false",
        other => other,
    }
}

impl Call {
    /// Returns the parameters that the reference page shows: those of the path and the query, except for `as`.
    pub fn shown_parameters(&self) -> Vec<&Field> {
        self.parameters.iter().filter(|field| field.location != "header" && field.name != "as").collect()
    }

    /// Returns the name of the object in the response, or on the page in the response.
    pub fn shape(&self) -> Option<&str> {
        let name = self.response_type.rsplit(' ').next().unwrap_or_default();
        shapes().iter().find(|shape| shape.name == name).map(|shape| shape.name.as_str())
    }

    /// Returns the variable for a path parameter in an example: `$THREAD`, `$MESSAGE`.
    pub fn variable(&self, name: &str) -> String {
        let noun = match name {
            "id" => {
                let before = self.path.split("/{id}").next().and_then(|path| path.rsplit('/').next());
                match before {
                    Some("users") => "account",
                    Some("participants") => return "me".into(),
                    Some("statuses") => "peep",
                    Some(plural) => plural.trim_end_matches('s'),
                    None => name,
                }
            }
            "emoji" => return "%E2%98%95".into(),
            other => other,
        };
        format!("${}", noun.to_uppercase())
    }

    /// Returns the path with variables for its parameters, and the required part of the query.
    pub fn target(&self) -> String {
        let mut target = self.path.clone();
        for field in self.parameters.iter().filter(|field| field.location == "path") {
            target = target.replace(&format!("{{{}}}", field.name), &self.variable(&field.name));
        }
        let query = self.parameters.iter().filter(|field| field.location == "query" && field.required);
        let query: Vec<_> = query
            .map(|field| format!("{}={}", field.name, field.example.as_deref().unwrap_or_default()))
            .collect();
        if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
    }

    /// Returns the call as a curl command. `base` is the base URL.
    pub fn curl(&self, base: &str) -> String {
        let mut curl = String::from("curl");
        if self.method != "GET" && !(self.method == "POST" && (self.example.is_some() || self.sends_file)) {
            let _ = write!(curl, " -X {}", self.method);
        }
        if !self.is_open {
            curl.push_str(" -H \"Authorization: Bearer $TOKEN\"");
        }
        if let Some(example) = &self.example {
            let _ = write!(curl, " \\\n  --json '{example}'");
        } else if self.sends_file {
            curl.push_str(" -F file=@photo.jpg");
        }
        let _ = write!(curl, " \\\n  \"{base}{}\"", self.target());
        curl
    }
}
