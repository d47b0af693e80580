//! The appearance of a page: one of six themes, and an accent colour. All colours are computed from a hue and a chroma,
//! so that text is always readable: the contrasts of WCAG 2.2 at level AA (4.5:1 for text, 3:1 for lines that carry
//! meaning) hold in light and dark mode, for every accent.

use std::fmt::{self, Write};

use palette::{FromColor, IsWithinBounds, LinSrgb, Oklch, Srgb, color_difference::Wcag21RelativeContrast};
use serde::{Deserialize, Serialize};

use super::form::Fields;
use crate::{Error, Result};

/// The contrasts of text and of lines against their background: a little higher than the standard, so that they still
/// meet the standard after rounding to eight bits.
const TEXT_CONTRAST: f32 = 4.55;
const LINE_CONTRAST: f32 = 3.05;

/// The appearance of a page.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Look {
    pub theme: Theme,
    /// The chosen accent; `None` for the one of the theme.
    pub accent: Option<Accent>,
}

/// A theme.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// Warm, in the sans-serif of the system.
    #[default]
    Paper,
    /// Cool, with square corners.
    Harbour,
    /// Green, with round corners.
    Meadow,
    /// Rosy, in a serif.
    Rose,
    /// Violet, with round corners.
    Dusk,
    /// Black and white, with headings in a monospaced font.
    Press,
}

/// The values that define a theme.
struct ThemeSpec {
    /// The hue of paper and ink, in degrees.
    hue: f32,
    /// The chroma of paper in light and in dark mode.
    chroma: (f32, f32),
    accent: Accent,
    face: &'static str,
    head: &'static str,
    radii: [&'static str; 3],
}

const SANS: &str = "-apple-system,\"Segoe UI Variable Text\",\"Segoe UI\",Roboto,Cantarell,Ubuntu,\"Noto Sans\",\
                    \"Liberation Sans\",system-ui,sans-serif";
const ROUND: &str = "ui-rounded,\"SF Pro Rounded\",Quicksand,Nunito,\"Arial Rounded MT Bold\",Cantarell,Ubuntu,\
                     \"Noto Sans\",system-ui,sans-serif";
const SERIF: &str = "\"Iowan Old Style\",\"Palatino Linotype\",Palatino,\"Source Serif Pro\",\"Noto Serif\",\
                     \"Liberation Serif\",ui-serif,Georgia,serif";
const MONO: &str =
    "ui-monospace,\"Cascadia Code\",\"Source Code Pro\",Menlo,Consolas,\"DejaVu Sans Mono\",monospace";

impl Theme {
    /// All themes, with their names in forms and for people.
    pub const ALL: [(Theme, &'static str, &'static str); 6] = [
        (Theme::Paper, "paper", "Paper"),
        (Theme::Harbour, "harbour", "Harbour"),
        (Theme::Meadow, "meadow", "Meadow"),
        (Theme::Rose, "rose", "Rose"),
        (Theme::Dusk, "dusk", "Dusk"),
        (Theme::Press, "press", "Press"),
    ];

    /// Returns the name in forms and URLs.
    pub fn name(self) -> &'static str {
        Theme::ALL[self as usize].1
    }

    fn spec(self) -> ThemeSpec {
        match self {
            Theme::Paper => ThemeSpec {
                hue: 92.0,
                chroma: (0.008, 0.009),
                accent: Accent([0xA6, 0x5E, 0x00]),
                face: SANS,
                head: SANS,
                radii: [".375rem", ".75rem", "1.25rem"],
            },
            Theme::Harbour => ThemeSpec {
                hue: 225.0,
                chroma: (0.014, 0.022),
                accent: Accent([0x00, 0x6B, 0x8F]),
                face: SANS,
                head: SANS,
                radii: ["0", "0", "0"],
            },
            Theme::Meadow => ThemeSpec {
                hue: 140.0,
                chroma: (0.020, 0.016),
                accent: Accent([0x2F, 0x7D, 0x32]),
                face: ROUND,
                head: ROUND,
                radii: [".5rem", "1rem", "2rem"],
            },
            Theme::Rose => ThemeSpec {
                hue: 25.0,
                chroma: (0.016, 0.014),
                accent: Accent([0xB0, 0x30, 0x4A]),
                face: SERIF,
                head: SERIF,
                radii: [".25rem", ".5rem", ".75rem"],
            },
            Theme::Dusk => ThemeSpec {
                hue: 295.0,
                chroma: (0.020, 0.030),
                accent: Accent([0x7A, 0x4B, 0xC8]),
                face: ROUND,
                head: SERIF,
                radii: [".5rem", "1rem", "1.5rem"],
            },
            Theme::Press => ThemeSpec {
                hue: 0.0,
                chroma: (0.0, 0.0),
                accent: Accent([0xC6, 0x28, 0x28]),
                face: SERIF,
                head: MONO,
                radii: ["0", ".125rem", ".25rem"],
            },
        }
    }
}

/// A colour, as red, green and blue.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[serde(try_from = "String", into = "String")]
pub struct Accent([u8; 3]);

impl Accent {
    /// Parses `#2e7079`, with or without the `#`.
    pub fn parse(raw: &str) -> Result<Self> {
        let refuse = || Error::invalid("accent", "Write a colour as #2e7079.");
        let digits = raw.trim().trim_start_matches('#');
        if digits.len() != 6 || !digits.is_ascii() {
            return Err(refuse());
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| refuse())?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Accent([red, green, blue]))
    }
}

impl fmt::Display for Accent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl From<Accent> for String {
    fn from(accent: Accent) -> Self {
        accent.to_string()
    }
}

impl TryFrom<String> for Accent {
    type Error = Error;

    fn try_from(raw: String) -> Result<Self> {
        Accent::parse(&raw)
    }
}

/// The colours of a page in light or in dark mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Colours {
    /// The background, and two surfaces above it.
    pub paper: [Accent; 3],
    /// A dividing line.
    pub wire: Accent,
    /// The border of a control.
    pub edge: Accent,
    /// Text: plain, soft and faint.
    pub ink: [Accent; 3],
    /// The accent as a line on paper.
    pub tone: Accent,
    /// The accent as text on paper.
    pub tone_ink: Accent,
    /// The accent as a background of light text, and the end of the gradient that begins with it.
    pub tone_deep: [Accent; 2],
    /// The light text on `tone_deep`.
    pub chalk: Accent,
}

impl Look {
    /// Reads the appearance from a form: `theme`, and `accent` where `own_accent` is ticked.
    pub fn from_fields(fields: &Fields) -> Result<Self> {
        let chosen = Theme::ALL.into_iter().find(|(_, name, _)| *name == fields.get("theme"));
        let theme = chosen.ok_or_else(|| Error::invalid("theme", "There is no such theme."))?.0;
        let accent = match fields.is_on("own_accent") {
            true => Some(Accent::parse(fields.get("accent"))?),
            false => None,
        };
        Ok(Look { theme, accent })
    }

    /// Returns the appearance as a part of a URL: `harbour`, or `harbour-2e7079`.
    pub fn name(&self) -> String {
        let theme = self.theme.name();
        self.accent.map_or_else(|| theme.to_owned(), |accent| format!("{theme}-{}", &accent.to_string()[1..]))
    }

    /// Parses a [`Look::name`].
    pub fn parse(name: &str) -> Result<Self> {
        let (theme, accent) =
            name.split_once('-').map_or((name, None), |(theme, accent)| (theme, Some(accent)));
        let theme = Theme::ALL.into_iter().find(|(_, name, _)| *name == theme).ok_or(Error::NotFound)?;
        let accent = accent.map(Accent::parse).transpose().map_err(|_| Error::NotFound)?;
        Ok(Look { theme: theme.0, accent })
    }

    /// Returns the accent, before it is adapted to its background.
    pub fn accent(&self) -> Accent {
        self.accent.unwrap_or_else(|| self.theme.spec().accent)
    }

    /// Returns the colours for light or dark mode.
    pub fn colours(&self, night: bool) -> Colours {
        let spec = self.theme.spec();
        let chroma = if night { spec.chroma.1 } else { spec.chroma.0 };
        let grey = |lightness: f32, strength: f32| shade(lightness, chroma * strength, spec.hue);
        let (paper, wire, edge, ink) = if night {
            (
                [grey(0.195, 1.0), grey(0.245, 1.1), grey(0.30, 1.2)],
                grey(0.33, 1.2),
                grey(0.60, 1.0),
                [grey(0.935, 0.7), grey(0.80, 0.8), grey(0.725, 0.8)],
            )
        } else {
            (
                [grey(0.985, 0.7), grey(0.957, 1.0), grey(0.924, 1.3)],
                grey(0.89, 1.3),
                grey(0.60, 1.3),
                [grey(0.24, 1.3), grey(0.40, 1.3), grey(0.475, 1.3)],
            )
        };
        let chalk = grey(if night { 0.965 } else { 0.975 }, 0.4);
        let accent = oklch(self.accent());
        let strength = if night { accent.chroma.min(0.13) } else { accent.chroma };
        let tone = |from: f32, to: f32, ground: &[Accent], ratio: f32| {
            nearest(from, to, strength, accent.hue.into_degrees(), ground, ratio)
        };
        // The accent must be readable on the first surface above the background, too. It gets darker in light mode, and
        // lighter in dark mode.
        let ground = [paper[0], paper[1]];
        let limit = if night { 1.0 } else { 0.0 };
        let deep = tone(accent.l.min(0.5), 0.0, &[chalk], TEXT_CONTRAST);
        Colours {
            tone: tone(accent.l, limit, &ground, LINE_CONTRAST),
            tone_ink: tone(accent.l, limit, &ground, TEXT_CONTRAST),
            tone_deep: [deep, deeper(deep)],
            paper,
            wire,
            edge,
            ink,
            chalk,
        }
    }

    /// Returns the design tokens as CSS.
    pub fn css(&self) -> String {
        let (day, night, spec) = (self.colours(false), self.colours(true), self.theme.spec());
        let mut css = String::from("@layer tokens{:root{");
        let mut pair = |name: &str, day: Accent, night: Accent| {
            let _ = write!(css, "--{name}:light-dark({day},{night});");
        };
        for index in 0..3 {
            pair(&format!("paper-{index}"), day.paper[index], night.paper[index]);
            pair(&format!("ink-{}", index + 1), day.ink[index], night.ink[index]);
        }
        pair("line-1", day.wire, night.wire);
        pair("line-2", day.edge, night.edge);
        pair("tone", day.tone, night.tone);
        pair("tone-ink", day.tone_ink, night.tone_ink);
        pair("tone-deep", day.tone_deep[0], night.tone_deep[0]);
        pair("tone-deeper", day.tone_deep[1], night.tone_deep[1]);
        pair("chalk", day.chalk, night.chalk);
        let [small, middle, large] = spec.radii;
        let (face, head) = (spec.face, spec.head);
        let _ = write!(css, "--font:{face};--font-heading:{head};--r-1:{small};--r-2:{middle};--r-3:{large}");
        css.push_str("}}");
        css
    }
}

/// Returns the colour of a lightness and a hue, with its chroma reduced to what sRGB can show.
fn shade(lightness: f32, chroma: f32, hue: f32) -> Accent {
    let mut chroma = chroma;
    loop {
        let colour = LinSrgb::from_color(Oklch::new(lightness, chroma, hue));
        if colour.is_within_bounds() || chroma < 0.001 {
            return Accent(Srgb::from_linear(colour).into_components().into());
        }
        chroma *= 0.96;
    }
}

/// Converts a colour to Oklch.
fn oklch(colour: Accent) -> Oklch {
    Oklch::from_color(Srgb::from(colour.0).into_linear::<f32>())
}

/// Returns the contrast between two colours, from 1 to 21 (WCAG 2.2).
pub fn contrast(one: Accent, other: Accent) -> f32 {
    let [one, other] = [one, other].map(|colour| Srgb::from(colour.0).into_format::<f32>());
    one.relative_contrast(other)
}

/// Returns the colour with the lightness nearest to `from`, between `from` and `to`, that has at least the contrast
/// `ratio` to each colour of `ground`.
fn nearest(from: f32, to: f32, chroma: f32, hue: f32, ground: &[Accent], ratio: f32) -> Accent {
    const STEPS: u16 = 200;
    let fits = |colour: &Accent| ground.iter().all(|ground| contrast(*colour, *ground) >= ratio);
    let mut shades = (0..=STEPS).map(|step| {
        let part = f32::from(step) / f32::from(STEPS);
        shade(from + (to - from) * part, chroma, hue)
    });
    shades.find(fits).unwrap_or_else(|| shade(to, 0.0, hue))
}

/// Returns a clearly darker shade of a colour.
fn deeper(colour: Accent) -> Accent {
    let colour = oklch(colour);
    shade(colour.l * 0.72, colour.chroma * 0.9, colour.hue.into_degrees() + 14.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(look: &Look) {
        for night in [false, true] {
            let colours = look.colours(night);
            let at_least = |ratio: f32, one: Accent, other: Accent, pair: &str| {
                let actual = contrast(one, other);
                assert!(actual >= ratio, "{} night {night}: {pair} {actual:.2}", look.name());
            };
            for (level, paper) in colours.paper[..2].iter().enumerate() {
                for (rank, ink) in colours.ink.iter().enumerate() {
                    at_least(4.5, *ink, *paper, &format!("ink {rank} on paper {level}"));
                }
                at_least(4.5, colours.tone_ink, *paper, "accent as text");
                at_least(3.0, colours.tone, *paper, "accent as a line");
                at_least(3.0, colours.edge, *paper, "edge");
            }
            for deep in colours.tone_deep {
                at_least(4.5, colours.chalk, deep, "chalk on the accent");
            }
        }
    }

    #[test]
    fn every_theme_is_readable_in_light_and_dark_mode() {
        for (theme, ..) in Theme::ALL {
            check(&Look { theme, accent: None });
            for accent in ["#000000", "#ffffff", "#ffff00", "#0000ff", "#00ff00", "#ff0000", "#808080"] {
                check(&Look { theme, accent: Some(Accent::parse(accent).expect("a colour")) });
            }
        }
    }

    #[test]
    fn a_look_is_parsed_from_its_name() {
        for look in ["paper", "harbour-2e7079"] {
            assert_eq!(Look::parse(look).expect("known").name(), look);
        }
        for wrong in ["", "velvet", "paper-", "paper-12345", "paper-gggggg", "paper-2e7079-1", "paper-€€"]
        {
            assert!(Look::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn every_accent_is_readable(rgb: [u8; 3], theme in 0..6usize) {
            check(&Look { theme: Theme::ALL[theme].0, accent: Some(Accent(rgb)) });
        }
    }
}
