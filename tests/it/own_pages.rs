//! Tests of members' own pages: editing, audiences, the contact form, visits, host names and export.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
    time::Duration,
};

use image::{DynamicImage, ImageFormat, RgbImage};
use reqwest::Method;
use serde_json::json;
use zip::ZipArchive;

use crate::common::{Answer, ApiClient, Instance, Page, Person, SmtpMode, SmtpServer, World, chitter};

const SECTIONS: &str = "/settings/page/sections";

/// Returns a photo that is large enough for every width.
fn photo() -> Vec<u8> {
    let photo = RgbImage::from_fn(2400, 1200, |x, y| image::Rgb([(x / 10) as u8, (y / 5) as u8, 90]));
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(photo).write_to(&mut bytes, ImageFormat::Jpeg).expect("a JPEG");
    bytes.into_inner()
}

/// Actions of a member on their own page.
trait EditsPage {
    async fn adds(&self, kind: &str) -> String;
    async fn fills(&self, section: &str, fields: &[(&str, &str)]) -> Answer;
    async fn fills_with(&self, section: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer;
    async fn publishes(&self);
    async fn editor(&self) -> Page;
}

impl EditsPage for Person {
    /// Adds a section. Returns its number.
    async fn adds(&self, kind: &str) -> String {
        let location = self.posts(SECTIONS, &[("kind", kind)]).await.is(303).location();
        location.rsplit("section-").next().expect("the section").to_owned()
    }

    async fn fills(&self, section: &str, fields: &[(&str, &str)]) -> Answer {
        self.fills_with(section, fields, ("file", b"")).await
    }

    async fn fills_with(&self, section: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
        let mut body = Vec::new();
        let audience = fields.iter().any(|(name, _)| *name == "audience");
        let usual = [("audience", "everyone")];
        for (name, value) in fields.iter().chain(usual.iter().filter(|_| !audience)) {
            let part =
                format!("--b7f3\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let head =
            format!("--b7f3\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"x\"\r\n\r\n", file.0);
        body.extend([head.as_bytes(), file.1, b"\r\n--b7f3--\r\n"].concat());
        let request = self.request(Method::POST, &format!("{SECTIONS}/{section}"));
        self.sends(request.header("content-type", "multipart/form-data; boundary=b7f3").body(body)).await
    }

    async fn publishes(&self) {
        self.posts("/settings/page/publish", &[]).await.is(303);
    }

    async fn editor(&self) -> Page {
        self.opens("/settings/page").await
    }
}

/// Returns the addresses of the pictures on a page, each in all its widths.
fn pictures(page: &Page) -> Vec<String> {
    let sets = page.all("img").into_iter().filter_map(|img| img.get("srcset").map(str::to_owned));
    let all = sets.flat_map(|set| set.split(", ").map(str::to_owned).collect::<Vec<_>>());
    all.map(|source| source.split(' ').next().expect("an address").to_owned()).collect()
}

// Editing and showing.
on_both! {
    async fn a_draft_is_visible_only_after_publishing(world: World) {
        let [nell] = world.members(["nell"]).await;
        let stranger = world.stranger();
        assert!(stranger.opens("/@nell").await.says("has not said anything yet"), "without a page, a list of peeps");
        let hero = nell.editor().await.all("li").iter().find_map(|li| li.get("data-section").map(str::to_owned));
        let hero = hero.expect("a hero in the first draft");
        let fields = [("name", "Nell of the Row"), ("line", "Keeps the kettle on."), ("backdrop", "gradient"),
            ("label", "Read along"), ("url", "harbour.example/log")];
        nell.fills(&hero, &fields).await.is(303);
        let blurb = nell.adds("blurb").await;
        nell.fills(&blurb, &[("title", "About"), ("text", "I *mend* nets.\n\n<script>x</script>")]).await.is(303);
        assert!(!stranger.gets("/@nell").await.text().contains("mend"), "others do not see the draft");
        assert!(nell.gets("/settings/page/preview").await.is(200).text().contains("<em>mend</em>"));
        nell.publishes().await;

        let answer = stranger.gets("/@nell").await.is(200);
        let page = answer.page();
        assert_eq!(page.heading(), "Nell of the Row");
        assert!(page.link("Read along").is_some_and(|url| url == "https://harbour.example/log"));
        assert!(answer.text().contains("&lt;script&gt;") && !answer.text().contains("<script>x"));
        nell.fills(&blurb, &[("title", "About"), ("text", "I sleep.")]).await.is(303);
        assert!(stranger.gets("/@nell").await.text().contains("mend"), "others see the published version");
        assert!(nell.editor().await.says("others don’t see yet"));
        nell.posts("/settings/page/discard", &[]).await.is(303);
        assert!(nell.editor().await.value("text").contains("mend"));
        nell.posts("/settings/page/unpublish", &[]).await.is(303);
        assert!(!stranger.gets("/@nell").await.text().contains("mend"), "the change is visible at once");
        nell.posts("/settings/page/discard", &[]).await.is(409);
    }

    async fn each_section_is_visible_to_its_audience_only(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        for (audience, text) in [("everyone", "For all."), ("members", "For the Row."), ("nobody", "For later.")] {
            let section = nell.adds("banner").await;
            nell.fills(&section, &[("text", text), ("audience", audience)]).await.is(303);
        }
        nell.publishes().await;
        let sees = async |person: &Person| {
            let page = person.opens("/@nell").await;
            ["For all.", "For the Row.", "For later."].map(|text| page.says(text))
        };
        assert_eq!(sees(&world.stranger()).await, [true, false, false]);
        assert_eq!(sees(&ify).await, [true, true, false]);
        assert_eq!(sees(&nell).await, [true, true, false]);
        assert!(nell.opens("/settings/page/preview").await.says("For later."));
        assert!(nell.opens("/@nell").await.link("Change it").is_some());
        assert!(ify.opens("/@nell").await.link("Change it").is_none());
        assert!(ify.gets("/@nell").await.text().contains("noindex"), "a member's view is not indexed");
    }

    async fn a_picture_has_several_widths_and_its_section_s_audience(world: World) {
        let [nell, ify, mallory] = world.members(["nell", "ify", "mallory"]).await;
        let section = nell.adds("projects").await;
        let fields = [("title", "Nets"), ("item_title.0", "A net"), ("alt.0", "A net on the slip")];
        nell.fills_with(&section, &fields, ("file.0", &photo())).await.is(303);
        let preview = nell.opens("/settings/page/preview").await;
        let image = preview.all("img").into_iter().find(|img| img.get("srcset").is_some()).expect("a picture");
        assert_eq!(image.get("alt"), Some("A net on the slip"));
        assert_eq!((image.get("width"), image.get("height")), (Some("1920"), Some("960")), "the layout does not shift");
        let files = pictures(&preview);
        assert_eq!(files.len(), 3);
        let mut sizes = Vec::new();
        for file in &files {
            let answer = nell.gets(file).await.is(200);
            assert_eq!(answer.header("content-type"), "image/webp");
            let picture = image::load_from_memory_with_format(&answer.bytes, ImageFormat::WebP).expect("WebP");
            sizes.push((picture.width(), picture.height()));
            world.stranger().gets(file).await.is(404);
        }
        assert_eq!(sizes, [(480, 240), (960, 480), (1920, 960)]);
        nell.publishes().await;
        assert!(world.stranger().gets(&files[0]).await.is(200).header("cache-control").starts_with("public"));

        let id = nell.editor().await.value("picture.0");
        let fields = [("item_title.0", "A net"), ("picture.0", id.as_str()), ("audience", "members")];
        nell.fills(&section, &fields).await.is(303);
        nell.publishes().await;
        world.stranger().gets(&files[0]).await.is(404);
        assert!(ify.gets(&files[0]).await.is(200).header("cache-control").starts_with("private"));
        // A picture of another member is refused.
        let other = mallory.adds("projects").await;
        mallory.fills(&other, &[("title", "Mine"), ("item_title.0", "x"), ("picture.0", id.as_str())]).await.is(422);
        nell.posts("/settings/page/unpublish", &[]).await.is(303);
        ify.gets(&files[0]).await.is(404);
        nell.gets(&files[0]).await.is(200);
    }

    async fn a_refused_section_form_shows_the_reason_and_keeps_the_input(world: World) {
        let [nell] = world.members(["nell"]).await;
        let links = nell.adds("links").await;
        let wrong =
            [("label.0", "Shop"), ("link.0", "javascript:alert(1)"), ("label.1", "Log"), ("link.1", "")];
        let page = nell.fills(&links, &wrong).await.is(422).page();
        assert_eq!(page.value("label.0"), "Shop");
        assert_eq!(page.value("link.0"), "javascript:alert(1)");
        assert!(page.says("Write an address as https://example.org.") && page.says("Say where it leads."));
        let hero = nell.adds("hero").await;
        let page = nell.fills(&hero, &[("name", &"n".repeat(61)), ("label", "Go")]).await.is(422).page();
        assert!(page.says("there is room for 60") && page.says("Say where the button leads."));
        let blurb = nell.adds("blurb").await;
        let hidden = [("title", "t".repeat(61)), ("text", "For me".into()), ("audience", "nobody".into())];
        let hidden: Vec<_> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = nell.fills(&blurb, &hidden).await.is(422).page();
        let chosen = page.all("option").into_iter().filter(|option| option.get("selected").is_some());
        assert!(chosen.map(|option| option.text()).any(|text| text == "Nobody"), "the audience stays nobody");
        let long = "x".repeat(20_000);
        let with_picture = [("text", long.as_str()), ("alt", "A net")];
        nell.fills_with(&blurb, &with_picture, ("file", &photo())).await.is(422);
        let alt = "n".repeat(201);
        let page = nell.fills_with(&blurb, &[("alt", alt.as_str())], ("file", &photo())).await.is(422).page();
        assert!(page.says("there is room for 200"));
        let page = nell.fills_with(&blurb, &[("text", "Typed")], ("file", b"no picture")).await.is(422).page();
        assert!(page.says("That is no picture") && page.value("text").contains("Typed"), "the form keeps the text");
        nell.fills("999", &[("text", "x")]).await.is(404);
        nell.posts(SECTIONS, &[("kind", "carousel")]).await.is(422);
        nell.posts("/settings/page/look", &[("theme", "velvet")]).await.is(422);
        let accent = [("theme", "rose"), ("own_accent", "on"), ("accent", "red")];
        assert!(nell.posts("/settings/page/look", &accent).await.is(422).page().says("Write a colour as"));
        world.stranger().posts(SECTIONS, &[("kind", "blurb")]).await.is(401);
    }

    async fn sections_and_items_can_be_moved(world: World) {
        let [nell] = world.members(["nell"]).await;
        let (banner, blurb) = (nell.adds("banner").await, nell.adds("blurb").await);
        let order = async || {
            let parts = nell.editor().await.all("li");
            parts.iter().filter_map(|li| li.get("data-section").map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(order().await, ["1", &banner, &blurb, "2", "3"], "new sections stand above the latest peeps");
        nell.posts(&format!("{SECTIONS}/{blurb}/move"), &[("to", "0")]).await.is(303);
        nell.posts(&format!("{SECTIONS}/1/move"), &[("to", "99")]).await.is(303);
        assert_eq!(order().await, [&blurb, &banner, "2", "3", "1"]);
        nell.posts(&format!("{SECTIONS}/{banner}/delete"), &[]).await.is(303);
        assert_eq!(order().await, [&blurb, "2", "3", "1"]);
        let links = nell.adds("links").await;
        let three = [("link.0", "a.example"), ("link.1", "b.example"), ("link.2", "c.example")];
        nell.fills(&links, &[&three[..], &[("up", "2")]].concat()).await.is(303);
        nell.fills(&links, &[&three[..], &[("up", "2"), ("without", "0")]].concat()).await.is(303);
        let page = nell.editor().await;
        assert_eq!(page.value("link.0"), "https://c.example/");
        assert_eq!(page.value("link.1"), "https://b.example/");
        for _ in 0..25 {
            nell.posts(SECTIONS, &[("kind", "banner")]).await.is(303);
        }
        nell.posts(SECTIONS, &[("kind", "banner")]).await.is(422);
    }

    async fn concurrent_edits_lose_nothing(world: World) {
        let [nell] = world.members(["nell"]).await;
        let add = || nell.posts(SECTIONS, &[("kind", "banner")]);
        let added = futures_util::future::join_all((0..8).map(|_| add())).await;
        added.into_iter().for_each(|answer| drop(answer.is(303)));
        let parts = nell.editor().await.all("li");
        assert_eq!(parts.iter().filter(|li| li.get("data-section").is_some()).count(), 11);
    }

    async fn strangers_always_get_the_latest_version_from_the_cache(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        nell.publishes().await;
        let stranger = world.stranger();
        let first = stranger.gets("/@nell").await.is(200);
        let again = |etag: String| {
            let request = stranger.request(Method::GET, "/@nell").header("if-none-match", etag);
            stranger.sends(request)
        };
        again(first.header("etag").to_owned()).await.is(304);
        again(format!("\"other\", {}", first.header("etag").trim_start_matches("W/"))).await.is(304);
        world.pass(Duration::from_secs(60));
        again(first.header("etag").to_owned()).await.is(304); // rendered again, with the same bytes
        ify.peeps("Somebody else says something").await;
        again(first.header("etag").to_owned()).await.is(304);
        nell.peeps("The kettle is on").await;
        let with_peep = again(first.header("etag").to_owned()).await.is(200);
        assert!(with_peep.page().says("The kettle is on"));
        let id = nell.latest().await;
        nell.deletes(&id).await;
        assert!(!stranger.opens("/@nell").await.says("The kettle is on"));
        assert!(first.bytes.len() < 30_000, "a page has less than 30 kB");
        assert_eq!(stranger.gets("/@NELL").await.is(308).location(), "/@nell");
        assert!(stranger.opens("/@nell/peeps").await.link("Page").is_some());
    }

    async fn a_page_can_list_its_owner_s_rooms_and_peeps(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (open, other) = (nell.makes_room("Repair café").await, ify.makes_room("Not hers").await);
        let section = nell.adds("rooms").await;
        let fields = [(format!("room.{}", open.id), "on"), (format!("room.{}", other.id), "on")];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        nell.fills(&section, &fields).await.is(303);
        nell.publishes().await;
        let page = world.stranger().opens("/@nell").await;
        assert!(page.says("Repair café") && !page.says("Not hers"));
        nell.calls(Method::PATCH, &open.api(""), &json!({ "name": "Repair café, evenings" })).await.is(200);
        assert!(world.stranger().opens("/@nell").await.says("Repair café, evenings"), "the change is visible at once");
        nell.does(Method::DELETE, &open.api("")).await.is(204);
        world.pass(Duration::from_secs(21));
        assert!(!world.stranger().opens("/@nell").await.says("Repair café"));
    }

    // Contact form, visits, host names, metadata and export.

    async fn a_contact_message_reaches_the_owner_by_mail_and_spam_does_not(instance: Instance) {
        let mut smtp = SmtpServer::start(SmtpMode::Accepts);
        let world = instance.with_mail_by(&smtp.url).open().await;
        let [nell] = world.members(["nell"]).await;
        nell.fills("3", &[("title", "Write"), ("form", "on"), ("email", "on")]).await.is(303);
        nell.publishes().await;
        let stranger = world.stranger();
        assert!(!stranger.gets("/@nell").await.text().contains("nell@harbour.example"));
        let form = stranger.opens("/@nell/contact").await;
        assert!(!form.0.contains("nell@harbour.example"));
        let stamp = form.value("stamp");
        let message = |body: &'static str| [("name", "Oskar"), ("email", "oskar@elsewhere.example"), ("body", body)];
        let sends = async |fields: &[(&str, &str)]| stranger.posts("/@nell/contact", fields).await;
        let stamped = [&message("Do you mend nets?")[..], &[("stamp", stamp.as_str())]].concat();
        assert!(sends(&stamped).await.is(422).page().says("very quick"));
        world.pass(Duration::from_secs(5));
        assert!(sends(&[&stamped[..], &[("website", "spam")]].concat()).await.is(303).location().ends_with("?sent=1"));
        sends(&[&message("x")[..], &[("stamp", "1-0")]].concat()).await.is(422);
        assert!(sends(&message("x")).await.is(422).page().says("open for too long"));
        let wrong = [("name", ""), ("email", "nowhere"), ("body", "Kept"), ("stamp", stamp.as_str())];
        let refused = sends(&wrong).await.is(422).page();
        assert!(refused.field_error("name").is_some() && refused.field_error("email").is_some());
        assert!(refused.0.contains("Kept"));
        let sent = sends(&stamped).await.is(303).location();
        assert!(stranger.opens(&sent).await.says("on its way"));
        let mail = smtp.next_mail().await;
        assert_eq!(mail.to, ["nell@harbour.example"]);
        assert!(mail.header("reply-to").contains("oskar@elsewhere.example"), "{mail:?}");
        assert!(mail.text().contains("Do you mend nets?"));
        world.outbox_empties().await;
        assert!(smtp.remaining().is_empty(), "spam sends no mail");

        let address = stranger.posts("/@nell/address", &[("stamp", &stamp)]).await.is(200);
        assert!(address.text().contains("mailto:nell@harbour.example"));
        stranger.posts("/@nell/address", &[]).await.is(422);
        world.pass(Duration::from_secs(25 * 3600));
        sends(&stamped).await.is(422);
        let fresh = stranger.opens("/@nell/contact").await.value("stamp");
        world.pass(Duration::from_secs(5));
        for _ in 0..20 {
            sends(&[&message("Again")[..], &[("stamp", fresh.as_str())]].concat()).await.is(303);
        }
        sends(&[&message("Again")[..], &[("stamp", fresh.as_str())]].concat()).await.is(429);
        nell.fills("3", &[("title", "Write")]).await.is(303);
        nell.publishes().await;
        stranger.gets("/@nell/contact").await.is(404);
    }

    async fn visits_are_counted_by_day_and_referrer_only(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let links = nell.adds("links").await;
        nell.fills(&links, &[("label.0", "Shop"), ("link.0", "https://shop.example/a?b=c&d")]).await.is(303);
        nell.publishes().await;
        let stranger = world.stranger();
        let page = stranger.opens("/@nell").await;
        let ping = page.all("a").iter().find_map(|a| a.get("ping").map(str::to_owned)).expect("a ping");
        stranger.posts(&ping, &[]).await.is(204);
        stranger.posts("/@nell/visits?link=https%3A%2F%2Fevil.example%2F", &[]).await.is(404);
        stranger.gets("/@nell").await.is(200);
        ify.gets("/@nell").await.is(200);
        nell.gets("/@nell").await.is(200);
        let robot = stranger.request(Method::GET, "/@nell").header("user-agent", "Googlebot/2.1");
        stranger.sends(robot).await.is(200);
        stranger.does(Method::HEAD, "/@nell").await.is(200);
        let shown = crate::common::until("the visits to be stored", async || {
            world.pass(Duration::from_secs(6));
            let page = nell.opens("/settings/page/visits").await;
            page.says("https://shop.example/a?b=c&d").then_some(page)
        });
        let shown = shown.await;
        assert!(shown.says("The last 30 days: 3"), "two visits of a stranger and one of Ify");
        assert!(shown.all("rect").len() == 30);
        assert!(!nell.opens("/@nell").await.0.contains("ping="), "the owner's clicks are not counted");
    }

    async fn a_mapped_host_name_serves_the_page(world: World) {
        let [nell, mallory] = world.members(["nell", "mallory"]).await;
        nell.publishes().await;
        nell.posts("/settings/page/host", &[("host", "Nell.Example.")]).await.is(303);
        assert_eq!(nell.editor().await.value("host"), "nell.example");
        let refused = mallory.posts("/settings/page/host", &[("host", "nell.example")]).await.is(422).page();
        assert!(refused.says("somebody else’s page"));
        mallory.posts("/settings/page/host", &[("host", "127.0.0.1")]).await.is(422);
        let stranger = world.stranger();
        let get = |path: &str, host: &str| {
            let request = stranger.request(Method::GET, path).header("host", host.to_owned());
            stranger.sends(request)
        };
        let page = get("/", "NELL.example:8080").await.is(200);
        assert_eq!(page.page().heading(), "Nell Ashby");
        let canonical = page.page().all("link").into_iter().find(|link| link.get("rel") == Some("canonical"));
        let url = world.url().replace("127.0.0.1", "nell.example");
        assert_eq!(canonical.expect("a canonical link").get("href"), Some(format!("{url}/").as_str()));
        let linked: Vec<_> =
            page.page().all("link").iter().filter_map(|link| link.get("href").map(str::to_owned)).collect();
        let css = linked.iter().find(|href| href.ends_with(".css")).expect("a stylesheet");
        get(css, "nell.example").await.is(200);
        get("/contact", "nell.example").await.is(200);
        assert!(get("/login?next=/x", "nell.example").await.is(307).location().ends_with("/login?next=/x"));
        assert!(get("/", "other.example").await.is(200).page().says("Quiet so far"));
        nell.posts("/settings/page/host", &[("host", "")]).await.is(303);
        assert!(get("/", "nell.example").await.is(200).page().says("Quiet so far"));
    }

    async fn the_operator_can_restrict_host_names(mut instance: Instance) {
        instance.settings.page_hosts = Some("Nell.example, other.example".into());
        let world = instance.open().await;
        let [nell] = world.members(["nell"]).await;
        nell.publishes().await;
        let refused = nell.posts("/settings/page/host", &[("host", "mine.example")]).await.is(422).page();
        assert!(refused.says("has to let that name in first"));
        nell.posts("/settings/page/host", &[("host", "nell.example")]).await.is(303);
        let request = world.stranger().request(Method::GET, "/").header("host", "nell.example");
        assert_eq!(world.stranger().sends(request).await.is(200).page().heading(), "Nell Ashby");
    }

    async fn a_member_s_page_can_be_the_front_page(mut instance: Instance) {
        instance.settings.home = Some("@nell".into());
        let world = instance.open().await;
        let stranger = world.stranger();
        assert!(stranger.opens("/").await.says("Quiet so far"), "the instance has no members");
        let [nell] = world.members(["nell"]).await;
        nell.publishes().await;
        assert_eq!(stranger.opens("/").await.heading(), "Nell Ashby");
        assert!(stranger.opens("/stream").await.says("Quiet so far"));
        let page = stranger.gets("/@nell").await.text();
        assert!(page.contains(&format!("<link rel=\"canonical\" href=\"{}/\">", world.app().config.base_url.as_str())));
        let posted = nell.posts("/peeps", &[("body", "Still a stream")]).await.is(303);
        assert_eq!(posted.location(), "/stream");
        let id = nell.latest().await;
        let back = nell.opens(&nell.path_of(&id)).await.link("Back to the stream");
        assert_eq!(back, Some("/stream".into()));
        assert!(stranger.opens("/stream").await.says("Still a stream"));
        assert_eq!(nell.deletes(&id).await.is(303).location(), "/stream");
    }

    async fn a_page_has_metadata_for_machines(world: World) {
        let [nell, _ify] = world.members(["nell", "ify"]).await;
        nell.fills("1", &[("name", "Nell </script>&"), ("line", "Nets; mended, always")]).await.is(303);
        let links = nell.adds("links").await;
        nell.fills(&links, &[("link.0", "https://harbour.social/@nell")]).await.is(303);
        let hidden = nell.adds("links").await;
        nell.fills(&hidden, &[("link.0", "https://secret.example"), ("audience", "members")]).await.is(303);
        nell.publishes().await;
        let stranger = world.stranger();
        let page = stranger.gets("/@nell").await.is(200).text();
        let data = page.split("<script type=\"application/ld+json\">").nth(1).expect("data");
        let data: serde_json::Value =
            serde_json::from_str(data.split("</script>").next().expect("its end")).expect("JSON");
        assert_eq!(data["mainEntity"]["name"], "Nell </script>&");
        assert_eq!(data["mainEntity"]["sameAs"], json!(["https://harbour.social/@nell"]));
        assert!(page.contains("rel=\"me noopener\"") && page.contains("h-card") && page.contains("twitter:card"));
        let card = stranger.gets("/@nell/card.png").await.is(200);
        let picture = image::load_from_memory_with_format(&card.bytes, ImageFormat::Png).expect("PNG");
        assert_eq!((picture.width(), picture.height()), (1200, 630));
        let vcard = stranger.gets("/@nell.vcf").await.is(200).text();
        assert!(vcard.contains("TITLE:Nets\\; mended\\, always\r\n") && !vcard.contains("secret"), "{vcard}");
        assert!(!vcard.contains("harbour.example"), "the email address is private");
        let sitemap = stranger.gets("/sitemap.xml").await.is(200).text();
        assert!(sitemap.contains("/@nell</loc>") && !sitemap.contains("/@ify"));
        assert!(stranger.gets("/robots.txt").await.text().contains("/sitemap.xml"));
        stranger.gets("/@ify/card.png").await.is(404);
        stranger.gets("/@ify.vcf").await.is(404);
        stranger.gets("/looks/1/velvet.css").await.is(404);
        let lost = stranger.gets("/@nelly").await.is(404).page();
        assert_eq!(lost.link("Nell Ashby (@nell)"), Some("/@nell".into()));
    }

    async fn a_page_is_exported_as_a_website(world: World) {
        let [nell] = world.members(["nell"]).await;
        let works = nell.adds("projects").await;
        nell.fills_with(&works, &[("item_title.0", "A net"), ("alt.0", "A net")], ("file.0", &photo())).await.is(303);
        let hidden = nell.adds("banner").await;
        nell.fills(&hidden, &[("text", "For the Row."), ("audience", "members")]).await.is(303);
        nell.publishes().await;
        let answer = nell.gets("/settings/page/export.zip").await.is(200);
        assert_eq!(answer.header("content-type"), "application/zip");
        let mut zip = ZipArchive::new(Cursor::new(answer.bytes.clone())).expect("a zip");
        let mut files = BTreeMap::new();
        for at in 0..zip.len() {
            let mut file = zip.by_index(at).expect("a file");
            let (name, mut bytes) = (file.name().expect("a name").into_owned(), Vec::new());
            file.read_to_end(&mut bytes).expect("its bytes");
            files.insert(name.strip_prefix("nell/").expect("in a folder").to_owned(), bytes);
        }
        let html = String::from_utf8(files["index.html"].clone()).expect("text");
        let page = Page(html.clone());
        assert!(page.says("A net") && !page.says("For the Row."));
        for picture in pictures(&page) {
            assert!(files.contains_key(&picture), "missing from the export: {picture}");
        }
        assert!(files.contains_key("page.css") && files.contains_key("mark.svg"));
        assert!(!html.contains("href=\"/") && !html.contains("src=\"/") && !html.contains("ping="), "{html}");
        world.stranger().gets("/settings/page/export.zip").await.is(303);

        // The command line writes the same export, also while the server runs.
        let (folder, instance) = (world.instance.folder().join("out"), &world.instance);
        let mut command = chitter(instance.folder());
        command.env("CHITTER_DATA", instance.data()).env("CHITTER_BASE_URL", world.url());
        if let Some(url) = &instance.settings.database_url {
            command.env("CHITTER_DATABASE_URL", url);
        }
        command.args(["page", "export", "@nell"]).arg(&folder);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("an exit");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (name, bytes) in &files {
            let written = std::fs::read(folder.join(name)).expect("the file");
            assert!(written == *bytes, "{name} differs from the download");
        }
        let mut command = chitter(world.instance.folder());
        command.env("CHITTER_DATA", world.instance.data()).args(["page", "export", "@nobody_here", "x"]);
        if let Some(url) = &world.instance.settings.database_url {
            command.env("CHITTER_DATABASE_URL", url);
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("an exit");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "chitter: there is no member called @nobody_here\n");
    }
}
