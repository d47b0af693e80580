//! Tests of liking a peep and taking the like back.

use futures_util::future::join_all;
use reqwest::Method;

use crate::common::{Person, World};

on_both! {
    async fn liking_twice_counts_once(world: World) {
        let [nell, ify, joerg] = world.members(["nell", "ify", "joerg"]).await;
        let id = nell.peeps("Quince jelly").await;
        let shown = |reader: &Person| {
            let (reader, id) = (reader.clone(), id.clone());
            async move {
                let peep = reader.opens("/").await.peep(&id);
                (peep.likes, peep.liked)
            }
        };
        assert_eq!(shown(&ify).await, (String::new(), false));
        ify.likes(&id).await.is(303);
        ify.likes(&id).await.is(303);
        assert_eq!(shown(&ify).await, ("1".into(), true));
        assert_eq!(
            shown(&joerg).await,
            ("1".into(), false),
            "others see the number, and have not liked it"
        );
        assert_eq!(shown(&world.stranger()).await, ("1".into(), false));
        join_all((0..4).flat_map(|_| [joerg.likes(&id), nell.likes(&id)])).await;
        assert_eq!(shown(&ify).await, ("3".into(), true), "concurrent likes count once per member");
        ify.unlikes(&id).await.is(303);
        ify.unlikes(&id).await.is(303);
        assert_eq!(shown(&ify).await, ("2".into(), false));
    }

    async fn a_like_returns_to_the_page_where_it_was_pressed(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Quince jelly").await;
        let permalink = format!("/@nell/{id}#peep-{id}");
        let path = format!("/peeps/{id}/like");
        for (referer, location) in [
            (ify.url("/?before=99"), format!("/?before=99#peep-{id}")),
            (ify.url("/@nell#x"), format!("/@nell#peep-{id}")),
            ("https://evil.example/".into(), permalink.clone()),
            (ify.url("//evil.example"), format!("/#peep-{id}")),
            (ify.url(".evil.example/"), format!("/#peep-{id}")),
        ] {
            let request =
                ify.request(Method::POST, &path).header("referer", &referer).form(&[("likes", "true")]);
            assert_eq!(ify.sends(request).await.is(303).location(), location, "{referer}");
        }
        assert_eq!(ify.likes(&id).await.is(303).location(), permalink);
        let request =
            ify.request(Method::POST, &path).header("chitter-fragment", "1").form(&[("likes", "false")]);
        ify.sends(request).await.is(204);
    }

    async fn invalid_likes_are_refused(world: World) {
        let [nell, ify] = world.members(["nell", "ify"]).await;
        let id = nell.peeps("Quince jelly").await;
        for likes in ["", "maybe", "TRUE"] {
            ify.posts(&format!("/peeps/{id}/like"), &[("likes", likes)]).await.is(422);
        }
        nell.deletes(&id).await.is(303);
        for id in [id.as_str(), "1", "-1", "x"] {
            ify.likes(id).await.is(404);
            ify.unlikes(id).await.is(404);
        }
    }
}
