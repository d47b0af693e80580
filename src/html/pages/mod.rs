//! Pages of one's own: what others see of them, the editor, and all that goes with them.

mod about;
pub mod contact;
pub mod editor;
pub mod export;
mod markdown;
pub mod pictures;
mod places;
pub mod show;
mod style;
mod view;
pub mod visits;
