//! Rooms: those of one's own that anyone may walk into from here.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{
    Result,
    db::Read,
    domain::accounts::Member,
    ids::{AccountId, ConversationId},
    store,
};

/// Rooms of one's own that are offered in the form.
const OFFERED: i64 = 100;

/// Rooms that one keeps open.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Rooms {
    /// What stands beside them.
    pub title: String,
    /// Which. Those that are somebody else's by now are not shown.
    pub rooms: Vec<ConversationId>,
}

impl Default for Rooms {
    fn default() -> Self {
        Rooms { title: "Open rooms".into(), rooms: Vec::new() }
    }
}

impl Rooms {
    /// As a form says it.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        self.rooms.iter().for_each(|room| fields.tick(format!("room.{room}"), true));
        fields
    }

    /// What a form says: `room.ID` is ticked.
    pub(super) fn of(fields: &Fields) -> Result<Self> {
        Ok(Rooms { title: fields.line("title", 60)?, rooms: fields.ticked("room") })
    }

    /// Those that can be shown: their owner's, with a link that lets in.
    pub fn open(&self, read: &Read<'_>, owner: AccountId) -> Result<Vec<store::rooms::Open>> {
        let mut rooms = store::rooms::open_of(read, owner, read.now(), OFFERED)?;
        rooms.retain(|room| self.rooms.contains(&room.id));
        rooms.sort_by_key(|room| self.rooms.iter().position(|id| *id == room.id));
        Ok(rooms)
    }
}

impl Member {
    /// The rooms that one could show.
    pub fn open_rooms(&self, read: &Read<'_>) -> Result<Vec<store::rooms::Open>> {
        store::rooms::open_of(read, self.id(), read.now(), OFFERED)
    }
}
