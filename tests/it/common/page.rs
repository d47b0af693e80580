//! An HTML reader that is just sufficient to check a page as a person sees it.

/// The HTML of a page.
pub struct Page(pub String);

/// A peep on a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPeep {
    pub id: String,
    /// The body's inner HTML.
    pub html: String,
    /// The body as a person reads it, line breaks included; for a deleted peep, the text in its place.
    pub words: String,
    /// Whether the peep is marked as edited.
    pub edited: bool,
    /// Whether the peep is marked as deleted.
    pub deleted: bool,
    /// The text above the peep that quotes the peep it replies to.
    pub answers: Option<String>,
    /// The number beside the heart.
    pub likes: String,
    /// Whether the viewer's heart is pressed.
    pub liked: bool,
    /// The peep's whole HTML.
    pub source: String,
}

/// An element up to the next end tag of the same name.
#[derive(Debug, Clone)]
pub struct Element {
    attributes: Vec<(String, String)>,
    /// The inner HTML.
    pub inner: String,
}

impl Element {
    /// Returns the value of an attribute, if there is one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns the text as a person reads it.
    pub fn text(&self) -> String {
        text(&self.inner)
    }
}

impl Page {
    /// Returns all elements with this tag, in order.
    pub fn all(&self, tag: &str) -> Vec<Element> {
        elements(&self.0, tag)
    }

    /// Returns the peeps on the page, from the top.
    pub fn peeps(&self) -> Vec<ShownPeep> {
        self.all("article").iter().filter_map(peep).collect()
    }

    /// Returns the texts of the peeps on the page, from the top.
    pub fn words(&self) -> Vec<String> {
        self.peeps().into_iter().map(|peep| peep.words).collect()
    }

    /// Returns the peep with this id.
    pub fn peep(&self, id: &str) -> ShownPeep {
        let peep = self.peeps().into_iter().find(|peep| peep.id == id);
        peep.unwrap_or_else(|| panic!("peep {id} is not on this page:\n{}", self.0))
    }

    /// Returns the form field with this name.
    pub fn field(&self, name: &str) -> Element {
        let fields = ["input", "textarea", "button"].into_iter().flat_map(|tag| self.all(tag));
        let mut named = fields.filter(|field| field.get("name") == Some(name));
        named.next().unwrap_or_else(|| panic!("there is no field {name:?} on this page:\n{}", self.0))
    }

    /// Returns the current value of a form field.
    pub fn value(&self, name: &str) -> String {
        let field = self.field(name);
        match field.get("value") {
            Some(value) => value.into(),
            // HTML ignores a line break directly after `<textarea>`.
            None => unescape(field.inner.strip_prefix('\n').unwrap_or(&field.inner)),
        }
    }

    /// Returns the error message of a field, if the field is marked as invalid and refers to the message.
    pub fn field_error(&self, name: &str) -> Option<String> {
        let field = self.field(name);
        if field.get("aria-invalid") != Some("true") {
            return None;
        }
        let described_by = field.get("aria-describedby").unwrap_or_default();
        let notes = self.all("p").into_iter();
        let mut notes =
            notes.filter(|p| p.get("id").is_some_and(|id| described_by.split(' ').any(|part| part == id)));
        let note = notes.find(|p| p.get("class").is_some_and(|class| class.contains("error")));
        let note = note
            .unwrap_or_else(|| panic!("{name} is marked as invalid without an error message:\n{}", self.0));
        Some(note.text())
    }

    /// Returns the address of the link with this text.
    pub fn link(&self, words: &str) -> Option<String> {
        let mut links = self.all("a").into_iter();
        links.find(|a| a.text() == words).and_then(|a| a.get("href").map(Into::into))
    }

    /// Returns whether a person can read these words on the page.
    pub fn says(&self, words: &str) -> bool {
        text(&self.0).contains(words)
    }

    /// Returns the text of the main heading.
    pub fn heading(&self) -> String {
        self.all("h1").first().map(Element::text).unwrap_or_default()
    }
}

fn peep(article: &Element) -> Option<ShownPeep> {
    let id = article.get("id")?.strip_prefix("peep-")?.to_owned();
    let class = article.get("class").unwrap_or_default();
    let deleted = class.split(' ').any(|c| c == "deleted");
    let with_class = |tag: &str, class: &str| {
        let mut all = elements(&article.inner, tag).into_iter();
        all.find(|e| e.get("class").is_some_and(|c| c.split(' ').any(|c| c == class)))
    };
    let words = with_class("p", if deleted { "soft" } else { "body" })?;
    let heart = elements(&article.inner, "button").into_iter().find(|b| b.get("name") == Some("likes"));
    let likes = heart.as_ref().and_then(|heart| {
        let spans = elements(&heart.inner, "span").into_iter();
        spans.filter(|span| span.get("data-count").is_some()).map(|span| span.text()).next()
    });
    Some(ShownPeep {
        id,
        words: words.text(),
        html: words.inner,
        edited: elements(&article.inner, "a")
            .iter()
            .any(|a| a.get("href").is_some_and(|h| h.ends_with("/history"))),
        deleted,
        answers: with_class("p", "context").map(|p| p.text()),
        likes: likes.unwrap_or_default(),
        liked: heart.is_some_and(|heart| heart.get("aria-pressed") == Some("true")),
        source: article.inner.clone(),
    })
}

fn elements(html: &str, tag: &str) -> Vec<Element> {
    let (open, close) = (format!("<{tag}"), format!("</{tag}"));
    let mut elements = Vec::new();
    for (at, _) in html.match_indices(&open) {
        let rest = &html[at + open.len()..];
        if !rest.starts_with(|c: char| c.is_whitespace() || c == '>' || c == '/') {
            continue;
        }
        let (attributes, after) = attributes(rest);
        let end = after.find(&close).unwrap_or(0);
        elements.push(Element { attributes, inner: after[..end].into() });
    }
    elements
}

/// Parses attributes up to the end of the tag. Returns them and the rest of the input.
fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c)).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = "";
        if let Some(after) = rest.strip_prefix("=\"") {
            let end = after.find('"').expect("an attribute's quote ends");
            value = &after[..end];
            rest = &after[end + 1..];
        }
        attributes.push((name, unescape(value)));
    }
}

/// Returns the text of a piece of HTML as a person reads it.
pub fn text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        let (tag, after) = (&rest[at..end], &rest[end..]);
        rest = after;
        if tag.starts_with("<br") {
            out.push('\n');
            // A line break in the source is at most a space, and nothing after `<br>`.
            rest = after.strip_prefix('\n').unwrap_or(after);
        }
    }
    out.push_str(rest);
    unescape(&out).trim().to_owned()
}

fn unescape(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(';').filter(|&end| end < 12);
        let entity = end.and_then(|end| {
            let name = &rest[1..end];
            let c = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                _ => char::from_u32(name.strip_prefix('#')?.parse().ok()?)?,
            };
            Some((c, end + 1))
        });
        let (c, length) = entity.unwrap_or(('&', 1));
        out.push(c);
        rest = &rest[length..];
    }
    out + rest
}

#[test]
fn a_page_is_parsed_into_texts_fields_and_links() {
    let page = Page(
        r#"<article class="peep" id="peep-7">
        <p class="body" dir="auto">a &lt;b&gt;<br><a href="/x?a=1&amp;b=2">c</a> &#39;d&#39;</p></article>
        <input name="login" value="&#34;Nell&#34;" required aria-invalid="true" aria-describedby="hint login-error">
        <p id="hint">…</p><p class="error" id="login-error">No.</p>"#
            .into(),
    );
    assert_eq!(page.peep("7").words, "a <b>\nc 'd'");
    assert_eq!(page.value("login"), "\"Nell\"");
    assert_eq!(page.field_error("login").as_deref(), Some("No."));
    assert_eq!(page.link("c").as_deref(), Some("/x?a=1&b=2"));
}
