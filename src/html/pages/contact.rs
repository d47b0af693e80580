//! The contact form of a page, and other ways to reach its owner. Two checks keep robots out: a hidden field that has
//! to stay empty, and the time that a person needs to fill in the form. No third party is involved.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::{about::url, show::published, style::stylesheet};
use crate::{
    Error, Result,
    app::App,
    assets,
    clock::Time,
    domain::{
        accounts::{self, Member},
        pages::{
            Audience, Published,
            contact::Contact,
            contact_messages::{self, ContactMessage, FORM_LIFETIME, MIN_FILL_TIME},
            content::Content,
        },
    },
    html::{field_error, form_error, page, show_form_error},
    http::{
        input::{Input, Query},
        session::{Caller, ClientAddr},
    },
};

/// The purpose of the signature of a form's stamp, so that it is not valid for other signatures.
const STAMP: &str = "a letter to the owner of a page";

#[derive(Template)]
#[template(path = "page/write.html")]
struct ContactPage {
    css: String,
    assets: &'static str,
    username: String,
    name: String,
    back: String,
    contact: Contact,
    stamp: String,
    form: ContactForm,
    error: Option<Error>,
    sent: bool,
    email: Option<String>,
}

impl ContactPage {
    fn field_error(&self, field: &str) -> Option<&str> {
        field_error(self.error.as_ref(), field)
    }

    fn form_error(&self) -> Option<String> {
        form_error(self.error.as_ref(), &["name", "email", "body"])
    }
}

/// Finds the owner of a page, the page, and its contact section.
async fn find_contact(app: &App, username: &str, caller: &Caller) -> Result<(Member, Published, Contact)> {
    let (owner, published) = published(app, username).await?;
    let audience = if caller.member().is_some() { Audience::Members } else { Audience::Everyone };
    let contact = published.page.seen_by(audience).find_map(|section| match &section.content {
        Content::Contact(contact) if contact.form || contact.email => Some(contact.clone()),
        _ => None,
    });
    let contact = contact.ok_or(Error::NotFound)?;
    Ok((owner, published, contact))
}

fn new_page(app: &App, owner: &Member, published: &Published, contact: Contact) -> ContactPage {
    ContactPage {
        css: stylesheet(&published.page.look),
        assets: &assets::VERSION,
        username: owner.username.clone(),
        name: published.page.name().unwrap_or(&owner.account.name).to_owned(),
        back: url(&app.config, owner, published.host.as_deref()),
        contact,
        stamp: stamp(app, owner),
        form: ContactForm::default(),
        error: None,
        sent: false,
        email: None,
    }
}

/// Returns the signed time at which a form was shown.
fn stamp(app: &App, owner: &Member) -> String {
    let shown = app.clock.now().ms();
    format!("{shown}-{}", app.data.sign(STAMP, &format!("{} {shown}", owner.id())))
}

/// Refuses a form with an invalid stamp, and one that was sent too fast or too late.
fn check_stamp(app: &App, owner: &Member, stamp: &str) -> Result<()> {
    let too_old = || Error::invalid("", "That page has been open for too long. Send it once more.");
    let (shown, signature) = stamp.split_once('-').ok_or_else(too_old)?;
    let expected = app.data.sign(STAMP, &format!("{} {shown}", owner.id()));
    let shown = shown.parse().map(Time::from_ms).map_err(|_| too_old())?;
    let open = app.clock.now().since(shown);
    if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) || open > FORM_LIFETIME {
        return Err(too_old());
    }
    if open < MIN_FILL_TIME {
        return Err(Error::invalid("", "That was very quick. Read it once more, and send it."));
    }
    Ok(())
}

/// `GET /@{username}/contact`
pub async fn form(
    State(app): State<Arc<App>>,
    Path(username): Path<String>,
    Query(Sent { sent }): Query<Sent>,
    caller: Caller,
) -> Result<Response> {
    let (owner, published, contact) = find_contact(&app, &username, &caller).await?;
    page(&ContactPage { sent: sent.is_some(), ..new_page(&app, &owner, &published, contact) })
}

/// Redirects to the page after a message was sent, so that a reload does not send the message again.
fn to_sent_page(contact_page: &ContactPage) -> Response {
    Redirect::to(&format!("/@{}/contact?sent=1", contact_page.username)).into_response()
}

/// The query after a message was sent.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Sent {
    sent: Option<String>,
}

/// The contact form.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ContactForm {
    name: String,
    email: String,
    body: String,
    stamp: String,
    /// A hidden field, which only robots fill in.
    website: String,
}

/// `POST /@{username}/contact`
pub async fn send(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    Path(username): Path<String>,
    caller: Caller,
    Input(form): Input<ContactForm>,
) -> Result<Response> {
    let (owner, published, contact) = find_contact(&app, &username, &caller).await?;
    let contact_page = new_page(&app, &owner, &published, contact);
    if !contact_page.contact.form {
        return Err(Error::NotFound);
    }
    if !form.website.is_empty() {
        // A robot filled in the hidden field. The response is that of success, so that the robot does not try again.
        return Ok(to_sent_page(&contact_page));
    }
    let send = async {
        let message = ContactMessage::parse(&form.name, &form.email, &form.body)?;
        check_stamp(&app, &owner, &form.stamp)?;
        app.limits.contact_message(origin)?;
        app.db.write(move |tx| contact_messages::send(tx, &owner, &message)).await
    };
    match send.await {
        Ok(()) => Ok(to_sent_page(&contact_page)),
        Err(error) => {
            show_form_error(error, async |error| Ok(ContactPage { form, error: Some(error), ..contact_page }))
                .await
        }
    }
}

/// The form that asks for the address.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AddressForm {
    stamp: String,
}

/// `POST /@{username}/address`: shows the owner’s address to people who ask for it.
pub async fn address(
    State(app): State<Arc<App>>,
    ClientAddr(origin): ClientAddr,
    Path(username): Path<String>,
    caller: Caller,
    Input(form): Input<AddressForm>,
) -> Result<Response> {
    let (owner, published, contact) = find_contact(&app, &username, &caller).await?;
    let contact_page = new_page(&app, &owner, &published, contact);
    if !contact_page.contact.email {
        return Err(Error::NotFound);
    }
    let find = async {
        check_stamp(&app, &owner, &form.stamp)?;
        app.limits.contact_message(origin)?;
        let id = owner.id();
        app.db.read(move |read| accounts::email(read, id)).await
    };
    match find.await {
        Ok(email) => page(&ContactPage { email, ..contact_page }),
        Err(error) => {
            show_form_error(error, async |error| Ok(ContactPage { error: Some(error), ..contact_page })).await
        }
    }
}

/// `GET /@{username}.vcf`: a vCard (RFC 6350) with the public data of the page.
pub(super) async fn vcard(app: &App, username: &str) -> Result<Response> {
    let (owner, published) = published(app, username).await?;
    let name = published.page.name().unwrap_or(&owner.account.name);
    let mut card = String::from("BEGIN:VCARD\r\nVERSION:4.0\r\n");
    let mut add = |property: &str, value: &str| {
        if !value.is_empty() {
            fold(&format!("{property}:{value}"), &mut card);
        }
    };
    add("FN", &escape(name));
    add("NICKNAME", &escape(&owner.username));
    let line = published.page.hero().map_or("", |hero| hero.line.as_str());
    add("TITLE", &escape(line));
    add("URL", &url(&app.config, &owner, published.host.as_deref()));
    for section in published.page.seen_by(Audience::Everyone) {
        if let Content::Links(links) = &section.content {
            links.items.iter().for_each(|link| match link.url.strip_prefix("mailto:") {
                Some(address) => add("EMAIL", &escape(address.split('?').next().unwrap_or_default())),
                None => add("URL", &link.url),
            });
        }
    }
    add("REV", &published.at.utc().strftime("%Y%m%dT%H%M%SZ").to_string());
    card.push_str("END:VCARD\r\n");
    let name = format!("inline; filename=\"{}.vcf\"", owner.username);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/vcard; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Error::internal)?),
    ];
    Ok((headers, card).into_response())
}

/// Escapes text for a vCard (RFC 6350, section 3.4).
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace(',', "\\,").replace(';', "\\;")
}

/// Adds a line, folded after 75 bytes (RFC 6350, section 3.2).
fn fold(line: &str, out: &mut String) {
    let mut width = 0;
    for c in line.chars() {
        if width + c.len_utf8() > 75 {
            out.push_str("\r\n ");
            width = 1;
        }
        out.push(c);
        width += c.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_of_a_vcard_is_folded() {
        let mut card = String::new();
        fold(&format!("FN:{}", "é".repeat(60)), &mut card);
        assert!(card.lines().all(|line| line.len() <= 75), "{card}");
        assert_eq!(card.replace("\r\n ", "").trim_end().chars().count(), 63);
        assert_eq!(escape("a,b;c\\d\ne"), "a\\,b\\;c\\\\d\\ne");
    }
}
