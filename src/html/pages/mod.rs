//! Members' pages: the published page, the editor, pictures, contact and export.

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
