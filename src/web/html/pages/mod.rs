//! Pages of one's own: what others see of them, the editor, and all that goes with them.

pub mod card;
pub mod contact;
pub mod editor;
pub mod export;
mod markdown;
pub mod pictures;
pub mod show;
mod view;
pub mod visits;
