//! `chitter seed`: a small, believable community, for trying things out and for screenshots.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{
    Result,
    app::App,
    clock::Clock,
    config::Config,
    domain::{
        self,
        accounts::{Application, Member},
        conversations,
        messages::{self, Emoji},
        names::Name,
        pages::{Audience, form::Fields, look::Look},
        peeps::{Body, Draft},
        rooms::{self, Key, RoomInvitee, RoomName},
        text::RefusedWords,
    },
    events::Tx,
    html::pages::pictures,
    ids::{Ids, MessageId, PeepId, PictureId, random},
    services::{data_dir::DataDir, drawing},
};

/// A summary of the community.
pub struct Seeded {
    pub people: usize,
    pub peeps: usize,
    /// The username of the administrator.
    pub admin: String,
    /// The password of every account.
    pub password: String,
}

/// The community, as `seed.toml` describes it.
#[derive(Deserialize)]
struct Community {
    people: Vec<Person>,
    peeps: Vec<Peep>,
    rooms: Vec<Room>,
    pages: Vec<Page>,
}

#[derive(Deserialize)]
struct Person {
    username: String,
    name: String,
}

#[derive(Deserialize, Clone)]
struct Peep {
    /// The age in minutes.
    ago: u64,
    by: String,
    body: String,
    /// The index of the peep that this one replies to.
    answers: Option<usize>,
    liked_by: Vec<String>,
}

#[derive(Deserialize, Clone)]
struct Room {
    name: String,
    by: String,
    messages: Vec<Message>,
}

/// A message in a room, from a member or from a guest of this name.
#[derive(Deserialize, Clone)]
struct Message {
    /// The age in minutes.
    ago: u64,
    by: Option<String>,
    guest: Option<String>,
    body: String,
    /// The index of the message in this room that this one replies to.
    answers: Option<usize>,
    /// Pairs of an emoji and a username.
    #[serde(default)]
    reactions: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Page {
    by: String,
    theme: String,
    accent: String,
    sections: Vec<Section>,
}

/// A section, by the fields of its form.
#[derive(Deserialize)]
struct Section {
    kind: String,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    /// The drawings, by the ending of the form fields that they belong to.
    #[serde(default)]
    pictures: BTreeMap<String, String>,
    /// The names of rooms.
    #[serde(default)]
    rooms: Vec<String>,
}

/// Fills an empty instance. Refuses one that has members, and one whose server is running.
pub async fn seed(config: Config, password: Option<String>) -> Result<Seeded, String> {
    let data = DataDir::open(&config.data)?;
    let now = Clock::System.now();
    let clock = Clock::manual(now);
    let app_clock = clock.clone();
    let app = tokio::task::spawn_blocking(move || App::open(config, data, app_clock, Ids::salted(0)))
        .await
        .map_err(|e| e.to_string())??;
    let text = |e: crate::Error| e.to_string();
    if app.db.read(domain::accounts::count_members).await.map_err(text)? > 0 {
        return Err("somebody lives here already, and seed is for an empty instance".into());
    }
    let password = match password {
        Some(password) => password,
        None => random_password().map_err(text)?,
    };
    let community: Community = toml::from_str(include_str!("seed.toml")).map_err(|e| e.to_string())?;
    clock.set(now - Duration::from_secs(4400 * 60));
    for Person { username, name } in &community.people {
        let application = Application {
            email: format!("{username}@harbour-row.example"),
            password: password.clone(),
            name: name.clone(),
            username: username.clone(),
        };
        let applicant = app.db.read(move |read| application.check(read)).await.map_err(text)?;
        let hash = app.passwords.hash(&password).await.map_err(text)?;
        let join = move |tx: &mut Tx<'_>| {
            let id = applicant.join(tx, None, &hash)?;
            // Nobody reads the mail of invented people.
            domain::accounts::stop_mention_mail(tx, id)
        };
        app.db.write(join).await.map_err(text)?;
        clock.advance(Duration::from_secs(60));
    }
    let mut posted: Vec<PeepId> = Vec::new();
    for peep in &community.peeps {
        clock.set(now - Duration::from_secs(peep.ago * 60));
        let (peep, reply_to) = (peep.clone(), peep.answers.map(|index| posted[index]));
        let post = move |tx: &mut Tx<'_>| {
            let draft = Draft {
                body: Body::parse(&peep.body, &RefusedWords::default())?,
                reply_to,
                idempotency_key: None,
            };
            let id = domain::accounts::member(tx, &peep.by)?.post(tx, &draft)?.id;
            for fan in &peep.liked_by {
                domain::accounts::member(tx, fan)?.like(tx, id, true)?;
            }
            Ok(id)
        };
        posted.push(app.db.write(post).await.map_err(text)?);
    }
    for room in community.rooms {
        let created_ago = room.messages.iter().map(|message| message.ago).max().unwrap_or(0) + 1;
        clock.set(now - Duration::from_secs(created_ago * 60));
        let (name, by) = (RoomName::parse(&room.name).map_err(text)?, room.by);
        let create = move |tx: &mut Tx<'_>| {
            let owner = domain::accounts::member(tx, &by)?.account;
            Ok(rooms::create(tx, &owner, &name, "")?.link.key)
        };
        let key = app.db.write(create).await.map_err(text)?;
        let mut sent: Vec<MessageId> = Vec::new();
        for message in room.messages {
            clock.set(now - Duration::from_secs(message.ago * 60));
            let (key, reply_to) = (key.clone(), message.answers.map(|index| sent[index]));
            sent.push(app.db.write(move |tx| send(tx, &key, &message, reply_to)).await.map_err(text)?);
        }
    }
    for page in community.pages {
        make_page(&app, page).await.map_err(text)?;
    }
    let people = community.people.len();
    let db = app.db.clone();
    tokio::task::spawn_blocking(move || db.close()).await.map_err(|e| e.to_string())?;
    let admin = community.people.into_iter().next().map(|first| first.username).unwrap_or_default();
    Ok(Seeded { people, peeps: posted.len(), admin, password })
}

/// Creates a page and publishes it.
async fn make_page(app: &App, page: Page) -> Result<()> {
    let by = page.by.clone();
    let (owner, rooms) = app
        .db
        .read(move |read| {
            let owner = domain::accounts::member(read, &by)?;
            let rooms = owner.open_rooms(read)?;
            Ok((owner, rooms))
        })
        .await?;
    let mut sections = Vec::new();
    for section in page.sections {
        let mut fields = Fields::new(section.fields);
        for (ending, name) in section.pictures {
            let picture = picture(app, &owner, &name).await?;
            fields.set(format!("picture{ending}"), picture.to_string());
        }
        for room in rooms.iter().filter(|room| section.rooms.contains(&room.name)) {
            fields.tick(format!("room.{}", room.id), true);
        }
        sections.push((section.kind, fields));
    }
    let look = Look::parse(&format!("{}-{}", page.theme, page.accent.trim_start_matches('#')))?;
    let publish = move |tx: &mut Tx<'_>| {
        // A new draft has suggested sections.
        for section in owner.page(tx)?.draft.sections {
            owner.delete_section(tx, section.id)?;
        }
        for (kind, fields) in &sections {
            let id = owner.add_section(tx, kind)?;
            owner.set_section(tx, id, Audience::Everyone, fields)?;
        }
        owner.set_appearance(tx, &look)?;
        owner.publish(tx)
    };
    app.db.write(publish).await
}

/// Renders a drawing, and adds it to the pictures of a member.
async fn picture(app: &App, owner: &Member, name: &str) -> Result<PictureId> {
    let svg = match name {
        "row" => include_str!("seed/row.svg"),
        "tides" => include_str!("seed/tides.svg"),
        "oi" => include_str!("seed/oi.svg"),
        "map" => include_str!("seed/map.svg"),
        "rye" => include_str!("seed/rye.svg"),
        "water" => include_str!("seed/water.svg"),
        "bicycle" => include_str!("seed/bicycle.svg"),
        "moth" => include_str!("seed/moth.svg"),
        _ => return Err(crate::Error::internal(format!("there is no picture called {name}"))),
    };
    let mut file = app.files.receive().await?;
    file.write(&drawing::png(svg, 1600)?).await?;
    file.finish().await?;
    pictures::store(app, owner, file).await
}

/// Sends a message in a room, with its reactions.
fn send(tx: &mut Tx<'_>, key: &str, message: &Message, reply_to: Option<MessageId>) -> Result<MessageId> {
    let account = match (&message.by, &message.guest) {
        (Some(member), _) => domain::accounts::member(tx, member)?.account,
        (None, guest) => {
            domain::accounts::create_guest(tx, &Name::parse(guest.as_deref().unwrap_or("Guest"))?)?
        }
    };
    let invitee =
        |account| Ok(RoomInvitee { account, key: Key::parse(key)?, ip_hash: String::new(), may_join: true });
    let body = messages::Body::parse(&message.body, &RefusedWords::default())?;
    let draft = messages::Draft { reply_to, ..messages::Draft::text(body) };
    let sent = invitee(account)?.join(tx)?.participant.say(tx, &draft, conversations::MAX_BODY)?;
    for (emoji, fan) in &message.reactions {
        let fan = domain::accounts::member(tx, fan)?.account;
        invitee(fan)?.join(tx)?.participant.react(tx, sent.id, &Emoji::parse(emoji)?, true)?;
    }
    Ok(sent.id)
}

fn random_password() -> Result<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random::<12>()?))
}
