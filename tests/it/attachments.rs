//! Tests of files that are attached to messages.

use std::{io::Cursor, time::Duration};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Answer, ApiClient, Room, World, each, text, until};

const MB: usize = 1024 * 1024;

/// The text that stands for private metadata in the photo's EXIF.
const SECRET: &str = "GPS 53.5511 N 9.9937 E";

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("a picture that can be encoded");
    bytes.into_inner()
}

fn png() -> Vec<u8> {
    let drawing = RgbaImage::from_fn(48, 32, |x, y| Rgba([x as u8 * 5, y as u8 * 7, 90, 255]));
    encoded(&drawing.into(), ImageFormat::Png)
}

/// Returns a photo with EXIF metadata: a location, and an orientation that needs a turn by 90 degrees.
fn photo() -> Vec<u8> {
    let photo = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8 * 6, y as u8 * 12, 40]));
    let jpeg = encoded(&photo.into(), ImageFormat::Jpeg);
    // A single EXIF entry: orientation (0x0112), a short, with the value 6 (turn by 90 degrees).
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(SECRET.as_bytes());
    let length = u16::try_from(exif.len() + 2).expect("a short segment").to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn says_with(client: &impl ApiClient, room: &Room, body: &str, files: &[&Value]) -> Answer {
    let ids: Vec<_> = files.iter().map(|file| file["id"].clone()).collect();
    client.calls(Method::POST, &room.api("/messages"), &json!({ "body": body, "attachments": ids })).await
}

/// Returns whether the bytes of a file are in the data folder.
fn is_stored(world: &World, file: &Value) -> bool {
    world.instance.data().join("files").join(text(&file["id"])).exists()
}

/// Returns the number of files in the data folder, finished or not.
fn stored_files(world: &World) -> usize {
    std::fs::read_dir(world.instance.data().join("files")).expect("the folder for files").count()
}

on_both! {
    async fn a_picture_is_re_encoded_and_shown(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let file = nell.uploads(&room, "hall & more.png", &png()).await.is(201).json();
        let url = format!("/files/{}/{}/hall%20%26%20more%2Epng", room.id, text(&file["id"]));
        let expected = json!({
            "id": file["id"], "name": "hall & more.png", "media_type": "image/webp", "bytes": file["bytes"],
            "width": 48, "height": 32, "url": url,
        });
        assert_eq!(file, expected);
        let answer = nell.gets(&url).await.is(200);
        assert_eq!(answer.header("content-type"), "image/webp");
        assert_eq!(answer.header("content-disposition"), "inline; filename*=UTF-8''hall%20%26%20more%2Epng");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("cache-control").contains("private"), "{answer:?}");
        assert_eq!(Some(answer.bytes.len() as i64), file["bytes"].as_i64());
        let shown = image::load_from_memory_with_format(&answer.bytes, ImageFormat::WebP).expect("a picture");
        assert_eq!(shown.to_rgb8().get_pixel(10, 10), &Rgb([50, 70, 90]), "the picture looks the same");
    }

    async fn the_metadata_of_a_photo_is_removed(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        assert!(contains(&photo(), SECRET));
        let file = nell.uploads(&room, "IMG_1.jpg", &photo()).await.is(201).json();
        assert_eq!(file["media_type"], "image/jpeg");
        assert_eq!((&file["width"], &file["height"]), (&json!(20), &json!(40)), "the picture is turned upright");
        let bytes = nell.gets(&text(&file["url"])).await.is(200).bytes;
        assert!(!contains(&bytes, SECRET) && !contains(&bytes, "Exif"));
        let stored = std::fs::read(world.instance.data().join("files").join(text(&file["id"]))).expect("the file");
        assert_eq!(stored, bytes, "the stored file has no metadata either");
        let hidden = [png(), b"<script>alert(1)</script>".to_vec()].concat();
        let file = nell.uploads(&room, "a.png", &hidden).await.is(201).json();
        let bytes = nell.gets(&text(&file["url"])).await.is(200).bytes;
        assert!(!contains(&bytes, "script"), "a second file in the same bytes is removed");
    }

    async fn every_common_picture_format_is_shown(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let drawing: DynamicImage = RgbaImage::from_pixel(8, 6, Rgba([9, 9, 9, 100])).into();
        for (format, kind) in [
            (ImageFormat::Png, "image/webp"),
            (ImageFormat::WebP, "image/webp"),
            (ImageFormat::Gif, "image/gif"),
        ] {
            let file = nell.uploads(&room, "a.bin", &encoded(&drawing, format)).await.is(201).json();
            assert_eq!((&file["media_type"], &file["width"]), (&json!(kind), &json!(8)), "{format:?}");
            let answer = nell.gets(&text(&file["url"])).await.is(200);
            assert_eq!(answer.header("content-type"), kind);
            let shown = image::load_from_memory(&answer.bytes).expect("a picture");
            assert_eq!((shown.width(), shown.height()), (8, 6), "{format:?}");
        }
        let wide: DynamicImage = RgbImage::new(4000, 100).into();
        let file = nell.uploads(&room, "a.png", &encoded(&wide, ImageFormat::Png)).await.is(201).json();
        assert_eq!(
            (&file["width"], &file["height"]),
            (&json!(2560), &json!(64)),
            "a picture is scaled down to 2560 pixels"
        );
    }

    async fn any_other_file_is_served_as_a_download(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
        for (name, bytes) in [
            ("notes.txt", "Hello".as_bytes()),
            ("page.html", b"<!doctype html><script>alert(1)</script>"),
            ("drawing.svg", svg.as_bytes()),
            ("paper.pdf", b"%PDF-1.7 and so on"),
            ("zeros", &[0; 100]),
        ] {
            let file = nell.uploads(&room, name, bytes).await.is(201).json();
            assert_eq!(file["media_type"], "application/octet-stream", "{name}");
            assert_eq!((&file["width"], &file["height"]), (&json!(null), &json!(null)));
            assert_eq!(file["bytes"], json!(bytes.len()));
            let answer = nell.gets(&text(&file["url"])).await.is(200);
            assert_eq!(answer.header("content-type"), "application/octet-stream", "{name}");
            assert!(answer.header("content-disposition").starts_with("attachment; "), "{name}");
            assert!(answer.header("content-security-policy").contains("default-src 'self'"));
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.bytes, bytes, "{name}");
        }
        let file = nell.uploads(&room, "../../etc/pass wd", b"x").await.is(201).json();
        assert_eq!(file["name"], "pass wd", "the name is reduced to its last part");
    }

    async fn a_file_is_attached_to_a_message(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let room = nell.makes_room("Repair café").await;
        let teo = world.guest("Teo").await;
        let (picture, notes) = (
            teo.uploads(&room, "hall.png", &png()).await.is(201).json(),
            teo.uploads(&room, "notes.txt", b"Hello").await.is(201).json(),
        );
        let message = says_with(&teo, &room, "Two files", &[&picture, &notes]).await.is(201).json();
        assert_eq!(message["attachments"], json!([picture, notes]));
        let alone = teo.uploads(&room, "alone.txt", b"Hello").await.is(201).json();
        let silent = says_with(&teo, &room, "", &[&alone]).await.is(201).json();
        assert_eq!((&silent["body"], &silent["attachments"]), (&json!(""), &json!([alone])));
        assert_eq!(nell.messages(&room).await, json!([message, silent]));
        let page = ify.opens(&room.page("")).await;
        let image = page.all("img").into_iter().find(|img| img.get("alt") == Some("hall.png"));
        let image = image.expect("the picture is shown");
        assert_eq!(image.get("src"), picture["url"].as_str());
        assert!(page.says("notes.txt"));
        says_with(&teo, &room, "", &[]).await.is(422);
        let third = teo.uploads(&room, "third.txt", b"Hello").await.is(201).json();
        let form = [("body", "By the form"), ("attachments", third["id"].as_str().expect("an id"))];
        let browser = teo.request(Method::POST, &room.page("/messages")).form(&form);
        teo.sends(browser).await.is(303);
        assert_eq!(nell.messages(&room).await[2]["attachments"], json!([third]));
    }

    async fn only_participants_can_fetch_a_room_s_files(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, tide) = (nell.makes_room("Repair café").await, ify.makes_room("Tide").await);
        let file = nell.uploads(&room, "hall.png", &png()).await.is(201).json();
        says_with(&nell, &room, "", &[&file]).await.is(201);
        let url = text(&file["url"]);
        let teo = world.guest("Teo").await;
        ify.gets(&url).await.is(404);
        teo.fetches(&url).await.is(404);
        let stranger = world.stranger().gets(&url).await;
        assert!(stranger.status == 401 || stranger.status == 303, "{stranger:?}");
        ify.opens_link(&room).await.is(200);
        teo.opens_link(&room).await.is(200);
        ify.gets(&url).await.is(200);
        assert_eq!(teo.fetches(&url).await.is(200).header("content-type"), "image/webp");
        let id = text(&file["id"]);
        for path in [
            format!("/files/{}/{id}/hall.png", tide.id),
            format!("/files/{}/1/hall.png", room.id),
            format!("/files/{}/x/hall.png", room.id),
            format!("/files/x/{id}/hall.png"),
            format!("/files/{}/..%2F..%2Fchitter.db/x", room.id),
            format!("/files/0/{id}/hall.png"),
        ] {
            ify.gets(&path).await.is(404);
        }
        nell.removes(&room, &teo.id).await.is(204);
        teo.fetches(&url).await.is(404);
        ify.leaves(&room).await.is(204);
        ify.gets(&url).await.is(404);
    }

    async fn a_file_is_attached_once_by_its_uploader_in_its_room(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let (room, tide) = (nell.makes_room("Repair café").await, nell.makes_room("Tide").await);
        let file = nell.uploads(&room, "a.txt", b"Hello").await.is(201).json();
        let reason = "One of the files is not there any more. Attach it anew.";
        assert_eq!(says_with(&ify, &room, "Mine", &[&file]).await.is(422).problem(), reason);
        assert_eq!(says_with(&nell, &tide, "Elsewhere", &[&file]).await.is(422).problem(), reason);
        assert_eq!(says_with(&nell, &room, "Twice", &[&file, &file]).await.is(422).problem(), reason);
        says_with(&nell, &room, "Once", &[&file]).await.is(201);
        assert_eq!(says_with(&nell, &room, "Again", &[&file]).await.is(422).problem(), reason);
        assert_eq!(says_with(&nell, &room, "None", &[&json!({ "id": "17" })]).await.is(422).problem(), reason);
        let eleven = [&file; 11];
        says_with(&nell, &room, "Many", &eleven).await.is(422);
        assert_eq!(nell.bodies(&room).await, ["Once"]);
        assert_eq!(nell.messages(&tide).await, json!([]));
    }

    async fn deleting_a_message_deletes_its_files(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let (deleted, other) = (
            nell.uploads(&room, "a.png", &png()).await.is(201).json(),
            nell.uploads(&room, "b.txt", b"Hello").await.is(201).json(),
        );
        let message = says_with(&nell, &room, "Look", &[&deleted]).await.is(201).json();
        says_with(&nell, &room, "And here", &[&other]).await.is(201);
        let path = room.api(&format!("/messages/{}", text(&message["id"])));
        nell.calls(Method::PATCH, &path, &json!({ "body": "Look here" })).await.is(200);
        assert!(is_stored(&world, &deleted) && is_stored(&world, &other));
        nell.does(Method::DELETE, &path).await.is(204);
        nell.gets(&text(&deleted["url"])).await.is(404);
        world.outbox_empties().await;
        assert!(!is_stored(&world, &deleted), "the file is deleted from the disk");
        assert!(is_stored(&world, &other));
        nell.gets(&text(&other["url"])).await.is(200);
        assert_eq!(stored_files(&world), 1);
    }

    async fn a_refused_upload_leaves_no_file_behind(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let mut damaged = png();
        damaged.truncate(damaged.len() / 2);
        let mut wrong = png();
        let middle = wrong.len() / 2;
        wrong[middle..middle + 8].fill(0);
        let vast = [
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x06\0\0\0" as &[u8],
            &[0; 64],
        ];
        for bytes in
            [&damaged, &wrong, &b"\xff\xd8\xff\xe0 no jpeg".to_vec(), &b"GIF89a".to_vec(), &vast.concat()]
        {
            let answer = nell.uploads(&room, "a.png", bytes).await.is(422);
            assert_eq!(
                answer.problem(),
                "That picture is damaged, or larger than we can show. Try another copy of it."
            );
        }
        let answer = nell.uploads(&room, "a.txt", b"").await.is(422);
        assert_eq!(answer.problem(), "That file is empty.");
        let answer = nell.uploads(&room, "a.bin", &vec![b'x'; 20 * MB + 1]).await.is(422);
        assert_eq!(answer.problem(), "That file is larger than 20 MB. Send a smaller one.");
        // Either of the two limits may apply first, depending on how the bytes arrive.
        let answer = nell.uploads(&room, "a.bin", &vec![b'x'; 25 * MB]).await;
        assert!(matches!(answer.status, 413 | 422), "{answer:?}");
        answer.problem();
        let other = nell.upload(&room, "photo", "a.txt", b"Hello");
        assert_eq!(
            nell.sends(other).await.is(422).problem(),
            "There is no file in it: send one as multipart/form-data, in the field file."
        );
        let path = room.api("/attachments");
        for (kind, body) in [
            ("multipart/form-data; boundary=x", "no boundary at all"),
            ("multipart/form-data", "x"),
            ("application/json", "{}"),
            ("text/plain", "Hello"),
        ] {
            let answer =
                nell.sends(nell.request(Method::POST, &path).header("content-type", kind).body(body)).await;
            assert!(matches!(answer.status, 400 | 415 | 422), "{kind}: {answer:?}");
            answer.problem();
        }
        nell.does(Method::POST, &path).await.problem();
        world.stranger().uploads(&room, "a.txt", b"Hello").await.is(401);
        assert_eq!(world.counts("SELECT COUNT(*) FROM attachments").await, 0);
        assert_eq!(stored_files(&world), 0, "no file is left on the disk");
        let largest = nell.uploads(&room, "a.bin", &vec![b'x'; 20 * MB]).await.is(201).json();
        assert_eq!(largest["bytes"], json!(20 * MB));
    }

    async fn a_file_that_is_never_attached_is_deleted_after_a_day(world: World) {
        let nell = world.member("nell").await;
        let room = nell.makes_room("Repair café").await;
        let attached = nell.uploads(&room, "said.txt", b"Hello").await.is(201).json();
        says_with(&nell, &room, "", &[&attached]).await.is(201);
        let never = nell.uploads(&room, "never.txt", b"Hello").await.is(201).json();
        world.pass(Duration::from_secs(20 * 3600));
        let late = nell.uploads(&room, "late.txt", b"Hello").await.is(201).json();
        nell.gets(&text(&never["url"])).await.is(200);
        world.pass(Duration::from_secs(5 * 3600));
        until("the file to be deleted", || async { (!is_stored(&world, &never)).then_some(()) }).await;
        nell.gets(&text(&never["url"])).await.is(404);
        says_with(&nell, &room, "Too late", &[&never]).await.is(422);
        says_with(&nell, &room, "In time", &[&late]).await.is(201);
        assert!(is_stored(&world, &attached));
        assert_eq!(each(&nell.messages(&room).await, "body"), ["", "In time"]);
    }
}
