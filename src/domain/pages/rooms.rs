//! The open rooms of the owner, which anyone may join from the page.

use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{
    Result,
    db::Read,
    domain::accounts::Member,
    ids::{AccountId, ConversationId},
    store,
};

/// The maximum number of rooms that the form offers.
const MAX_OFFERED: i64 = 100;

/// The content of a section with rooms.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Rooms {
    pub title: String,
    /// The chosen rooms. A room that has another owner now is not shown.
    pub rooms: Vec<ConversationId>,
}

impl Default for Rooms {
    fn default() -> Self {
        Rooms { title: "Open rooms".into(), rooms: Vec::new() }
    }
}

impl Rooms {
    /// Returns the form fields of the section.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("title", &self.title);
        self.rooms.iter().for_each(|room| fields.tick(format!("room.{room}"), true));
        fields
    }

    /// Reads the section from a form, in which the box `room.ID` is ticked.
    pub(super) fn from_fields(fields: &Fields) -> Result<Self> {
        Ok(Rooms { title: fields.line("title", 60)?, rooms: fields.ticked("room") })
    }

    /// Returns the chosen rooms that still belong to the owner and have a valid link.
    pub fn open(&self, read: &Read<'_>, owner: AccountId) -> Result<Vec<store::rooms::OpenRoom>> {
        let mut rooms = store::rooms::open_by_owner(read, owner, read.now(), MAX_OFFERED)?;
        rooms.retain(|room| self.rooms.contains(&room.id));
        rooms.sort_by_key(|room| self.rooms.iter().position(|id| *id == room.id));
        Ok(rooms)
    }
}

impl Member {
    /// Returns the rooms that the member can choose.
    pub fn open_rooms(&self, read: &Read<'_>) -> Result<Vec<store::rooms::OpenRoom>> {
        store::rooms::open_by_owner(read, self.id(), read.now(), MAX_OFFERED)
    }
}
