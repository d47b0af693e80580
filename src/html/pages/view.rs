//! The view of a page that its template renders: for visitors, for the editor's preview, and for the export.

use std::collections::HashMap;

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    about::{describe, json_ld, url},
    markdown,
    places::{icon, shorten},
    style::stylesheet,
};
use crate::{
    Result, assets,
    config::Config,
    db::Read,
    domain::{
        accounts::Member,
        pages::{
            Audience, Page, Section,
            contact::Contact,
            content::Content,
            hero::Backdrop,
            latest::Latest,
            pictures::{self, Picture},
        },
        peeps,
        viewer::Viewer,
    },
    ids::PictureId,
    store::{
        pages::pictures::File,
        peeps::{Peep, PeepRange, Scope},
        rooms::OpenRoom,
    },
    wire::{
        format::{date_and_time, excerpt},
        markup,
    },
};

/// The data that a page shows and that is not stored in it.
#[derive(Default)]
pub(super) struct PageData {
    files: HashMap<PictureId, Vec<File>>,
    peeps: Vec<Peep>,
    rooms: HashMap<u32, Vec<OpenRoom>>,
}

impl PageData {
    /// Reads the data that the page shows.
    pub(super) fn of(read: &Read<'_>, owner: &Member, page: &Page) -> Result<Self> {
        let mut data = PageData::default();
        for file in pictures::files_of(read, owner)? {
            data.files.entry(file.picture).or_default().push(file);
        }
        for section in &page.sections {
            match &section.content {
                Content::Latest(Latest { count, .. }) if data.peeps.len() < usize::from(*count) => {
                    let range =
                        PeepRange { before: None, after: None, oldest: false, limit: i64::from(*count) };
                    data.peeps = peeps::timeline(read, Viewer::STRANGER, &Scope::Account(owner.id()), range)?;
                }
                Content::Rooms(rooms) => {
                    data.rooms.insert(section.id, rooms.open(read, owner.id())?);
                }
                _ => {}
            }
        }
        Ok(data)
    }

    /// Returns the files of all pictures.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values().flatten()
    }
}

/// The location of a page, on which its links depend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Home {
    /// On the site.
    Site,
    /// In a folder, beside the page.
    Folder,
}

impl Home {
    fn picture(self, file: &File) -> String {
        match self {
            Home::Site => format!("/pictures/{}.webp", file.id),
            Home::Folder => format!("pictures/{}.webp", file.id),
        }
    }
}

/// The attributes of a picture's `img`.
pub(super) struct Image {
    pub(super) src: String,
    pub(super) srcset: String,
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) alt: String,
}

/// A link, and the URL that browsers ping when a visitor clicks it.
pub(super) struct TrackedLink {
    url: String,
    ping: Option<String>,
}

struct Part {
    id: u32,
    body: Body,
}

enum Body {
    Hero { hero: HeroView, lead: bool },
    Banner { text: String },
    Blurb { title: String, html: String },
    Projects { title: String, items: Vec<ProjectView> },
    Interests { title: String, items: Vec<InterestView> },
    Links { title: String, items: Vec<LinkView> },
    Latest { title: String, peeps: Vec<PeepView> },
    Rooms { title: String, rooms: Vec<OpenRoom> },
    Contact { contact: Contact },
}

struct HeroView {
    name: String,
    line: String,
    backdrop: Backdrop,
    image: Option<Image>,
    call: Option<(String, TrackedLink)>,
}

struct ProjectView {
    title: String,
    text: String,
    link: Option<TrackedLink>,
    tags: Vec<String>,
    image: Option<Image>,
}

struct InterestView {
    title: String,
    text: String,
    image: Option<Image>,
}

struct LinkView {
    label: String,
    /// The shortened URL.
    short_url: String,
    icon: &'static str,
    link: TrackedLink,
}

struct PeepView {
    html: String,
    url: String,
    at: String,
    when: String,
}

/// The view of a page.
#[derive(Template)]
#[template(path = "page/page.html")]
pub(super) struct View {
    title: String,
    description: String,
    /// The colours of the sheet by day and by night.
    sheet: (String, String),
    /// True if search engines must not index the page: a draft, or a page with sections for members.
    hidden: bool,
    url: String,
    base: String,
    /// The prefix of the site's own paths: empty where the page is on the site.
    base_if_out: String,
    /// The site's own front page.
    home: String,
    instance_name: String,
    username: String,
    name: String,
    json_ld: String,
    icon: String,
    css: String,
    write_to: Option<String>,
    /// True if the viewer is the page's owner.
    is_own: bool,
    has_hero: bool,
    parts: Vec<Part>,
}

/// A page with the audience and the location for which it is rendered.
pub(super) struct Renderer<'a> {
    pub(super) owner: &'a Member,
    pub(super) page: &'a Page,
    /// The audience that the viewer belongs to.
    pub(super) audience: Audience,
    /// The page's own host name, if it has one.
    pub(super) host: Option<&'a str>,
    /// On the site, or in a folder.
    pub(super) home: Home,
    /// True if the owner views the published page.
    pub(super) is_own: bool,
}

impl Renderer<'_> {
    /// Creates the view of the page.
    pub(super) fn view(&self, config: &Config, data: &PageData) -> View {
        let Renderer { owner, page, home, .. } = *self;
        let base = config.base_url.as_str().to_owned();
        let name = page.name().unwrap_or(&owner.account.name).to_owned();
        let line = page.hero().map_or("", |hero| hero.line.as_str());
        let sections: Vec<&Section> = page.seen_by(self.audience).collect();
        let first_hero = sections.iter().find(|section| matches!(section.content, Content::Hero(_)));
        let parts: Vec<Part> = sections
            .iter()
            .filter_map(|section| {
                let lead = first_hero.is_some_and(|first| first.id == section.id);
                Some(Part { id: section.id, body: self.body(config, data, section, &name, lead)? })
            })
            .collect();
        let contact = sections.iter().find(|section| matches!(section.content, Content::Contact(_)));
        let (day, night) = (page.look.colours(false).paper[0], page.look.colours(true).paper[0]);
        let url = url(config, owner, self.host);
        View {
            title: if line.is_empty() { name.clone() } else { format!("{name}, {}", excerpt(line, 60)) },
            description: describe(&sections, &name, &config.name),
            sheet: (day.to_string(), night.to_string()),
            hidden: self.audience != Audience::Everyone,
            json_ld: json_ld(&name, line, &url, page),
            icon: match home {
                Home::Site => format!("/assets/{}/img/mark.svg", *assets::VERSION),
                Home::Folder => "mark.svg".into(),
            },
            css: match home {
                Home::Site => stylesheet(&page.look),
                Home::Folder => "page.css".into(),
            },
            home: match home {
                Home::Site if self.host.is_none() && config.home.is_none() => "/".into(),
                _ => format!("{base}{}", config.stream_path()),
            },
            base_if_out: match home {
                Home::Site => String::new(),
                Home::Folder => base.clone(),
            },
            write_to: contact.map(|contact| format!("#s{}", contact.id)),
            has_hero: parts.iter().any(|part| matches!(part.body, Body::Hero { .. })),
            instance_name: config.name.clone(),
            username: owner.username.clone(),
            is_own: self.is_own,
            url,
            base,
            name,
            parts,
        }
    }

    /// Returns the body of a section; `None` if the section is empty.
    fn body(
        &self,
        config: &Config,
        data: &PageData,
        section: &Section,
        name: &str,
        lead: bool,
    ) -> Option<Body> {
        let image = |picture: &Option<Picture>| {
            picture.as_ref().and_then(|picture| self.image(data, picture.id, &picture.alt))
        };
        Some(match &section.content {
            Content::Hero(hero) => Body::Hero {
                lead,
                hero: HeroView {
                    name: if hero.name.is_empty() { name.to_owned() } else { hero.name.clone() },
                    line: hero.line.clone(),
                    backdrop: hero.backdrop,
                    image: if hero.backdrop == Backdrop::Picture { image(&hero.picture) } else { None },
                    call: hero.call.as_ref().map(|call| (call.label.clone(), self.tracked_link(&call.url))),
                },
            },
            Content::Banner(banner) if banner.text.is_empty() => return None,
            Content::Banner(banner) => Body::Banner { text: banner.text.clone() },
            Content::Blurb(blurb) if blurb.text.is_empty() => return None,
            Content::Blurb(blurb) => Body::Blurb {
                title: blurb.title.clone(),
                html: markdown::html(&blurb.text, |id, alt| self.image(data, id, alt)),
            },
            Content::Projects(projects) if projects.items.is_empty() => return None,
            Content::Projects(projects) => Body::Projects {
                title: projects.title.clone(),
                items: projects
                    .items
                    .iter()
                    .map(|item| ProjectView {
                        title: item.title.clone(),
                        text: item.text.clone(),
                        link: Some(&item.link)
                            .filter(|link| !link.is_empty())
                            .map(|link| self.tracked_link(link)),
                        tags: item.tags.clone(),
                        image: image(&item.picture),
                    })
                    .collect(),
            },
            Content::Interests(interests) if interests.items.is_empty() => return None,
            Content::Interests(interests) => Body::Interests {
                title: interests.title.clone(),
                items: interests
                    .items
                    .iter()
                    .map(|item| InterestView {
                        title: item.title.clone(),
                        text: item.text.clone(),
                        image: image(&item.picture),
                    })
                    .collect(),
            },
            Content::Links(links) if links.items.is_empty() => return None,
            Content::Links(links) => Body::Links {
                title: links.title.clone(),
                items: links
                    .items
                    .iter()
                    .map(|item| {
                        let short_url = shorten(&item.url);
                        let (label, short_url) = match item.label.as_str() {
                            "" => (short_url, String::new()),
                            label => (label.to_owned(), short_url),
                        };
                        LinkView {
                            label,
                            short_url,
                            icon: icon(&item.url),
                            link: self.tracked_link(&item.url),
                        }
                    })
                    .collect(),
            },
            // Only the editor's preview shows an empty list.
            Content::Latest(_) if data.peeps.is_empty() && self.audience != Audience::Nobody => {
                return None;
            }
            Content::Latest(latest) => Body::Latest {
                title: latest.title.clone(),
                peeps: data
                    .peeps
                    .iter()
                    .take(usize::from(latest.count))
                    .map(|peep| self.peep(config, peep))
                    .collect(),
            },
            Content::Rooms(rooms) => {
                let open = data.rooms.get(&section.id).filter(|open| !open.is_empty())?;
                Body::Rooms { title: rooms.title.clone(), rooms: open.clone() }
            }
            Content::Contact(contact) => Body::Contact { contact: contact.clone() },
        })
    }

    fn image(&self, data: &PageData, id: PictureId, alt: &str) -> Option<Image> {
        let files = data.files.get(&id)?;
        let largest = files.last()?;
        // The middle width is for browsers without `srcset`.
        let middle = files.get(files.len() / 2).unwrap_or(largest);
        let srcset: Vec<_> =
            files.iter().map(|file| format!("{} {}w", self.home.picture(file), file.size.0)).collect();
        Some(Image {
            src: self.home.picture(middle),
            srcset: srcset.join(", "),
            width: largest.size.0,
            height: largest.size.1,
            alt: alt.to_owned(),
        })
    }

    /// Returns a link whose clicks are counted by `ping`, so that it has its real address and needs no script.
    fn tracked_link(&self, url: &str) -> TrackedLink {
        let is_counted = self.home == Home::Site && self.audience != Audience::Nobody && !self.is_own;
        let target = utf8_percent_encode(url, NON_ALPHANUMERIC);
        let ping = is_counted.then(|| format!("/@{}/visits?link={target}", self.owner.username));
        TrackedLink { url: url.to_owned(), ping }
    }

    fn peep(&self, config: &Config, peep: &Peep) -> PeepView {
        let base = if self.home == Home::Folder { config.base_url.as_str() } else { "" };
        PeepView {
            html: markup::html(&peep.body, &peep.mentions, base),
            url: format!("{base}/@{}/{}", peep.author.username, peep.id),
            at: peep.created_at.rfc3339(),
            when: date_and_time(peep.created_at),
        }
    }
}
