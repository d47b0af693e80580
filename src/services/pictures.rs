//! Pictures that people send: taken apart to their pixels and put together anew, so that nothing but
//! the picture is left of them: no place where it was taken, no second file hidden in the first.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use gif::{ColorOutput, DecodeOptions, DisposalMethod, Encoder, Repeat};
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, webp::WebPEncoder},
    imageops::FilterType,
};

use super::pool::Pool;
use crate::{Error, Result};

/// Pictures that may wait for their turn. Each lies on the disk meanwhile.
const WAITING: usize = 64;

/// The longest side that is kept, in pixels: what a large screen shows.
const LONGEST: u32 = 2560;

/// The longest side that is taken.
const WIDEST: u32 = 16_384;

/// The memory that one may take while it is decoded: fifty million pixels.
const MEMORY: u64 = 224 * 1024 * 1024;

/// What an animation may come to, all its frames together: a minute of a small one.
const FRAMES: usize = 600;
const FRAMES_PIXELS: usize = 400_000_000;

/// Lossless is for drawings and screenshots; what is larger than this is a photograph.
const LOSSLESS: usize = 3 * 1024 * 1024;

/// The quality of photographs, of 100.
const QUALITY: u8 = 86;

/// The widths in which pictures of pages are kept: a phone's, a laptop's, and a large screen's.
const WIDTHS: [u32; 3] = [480, 960, 1920];

/// The quality of those, of 100.
const WEBP_QUALITY: f32 = 80.0;

/// The bounded pool that decodes pictures.
pub struct Pictures {
    pool: Pool,
    /// What is drawn waits for nobody’s photos.
    drawing: Pool,
}

/// A picture that we made.
#[derive(Debug)]
pub struct Picture {
    /// Its media type.
    pub media_type: &'static str,
    /// Width and height in pixels.
    pub size: (i64, i64),
}

/// A picture in one width.
pub struct Sized {
    /// Width and height in pixels.
    pub size: (i64, i64),
    /// As WebP.
    pub bytes: Vec<u8>,
}

impl Pictures {
    /// Ready to work.
    #[expect(clippy::new_without_default, reason = "what makes threads should be asked to")]
    pub fn new() -> Self {
        Pictures { pool: Pool::new(WAITING), drawing: Pool::new(WAITING) }
    }

    /// Makes the file anew, if it is a picture of a kind that browsers show. Any other file stays as
    /// it is, to be downloaded and never shown: `None`. Refuses pictures that would take all memory.
    pub async fn remake(&self, file: &Path) -> Result<Option<Picture>> {
        let file = file.to_owned();
        self.pool.run(move || remake(&file)).await
    }

    /// Draws a picture when its turn comes.
    pub async fn draw(&self, draw: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
        self.drawing.run(draw).await
    }

    /// Makes the picture of a page of a file: in several widths, without anything else that was in it.
    pub async fn sizes(&self, file: &Path) -> Result<Vec<Sized>> {
        let file = file.to_owned();
        self.pool.run(move || sizes(&file)).await
    }
}

/// Opens a picture, if it is one of a kind that browsers show.
fn open(file: &Path) -> Result<Option<(ImageReader<BufReader<File>>, ImageFormat)>> {
    let reader =
        ImageReader::open(file).and_then(ImageReader::with_guessed_format).map_err(Error::internal)?;
    let shown = [ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
    let format = reader.format().filter(|format| shown.contains(format));
    Ok(format.map(|format| (reader, format)))
}

fn remake(file: &Path) -> Result<Option<Picture>> {
    let Some((reader, format)) = open(file)? else { return Ok(None) };
    let fresh = file.with_extension("fresh.part");
    let made = match format {
        ImageFormat::Gif => animation(file, &fresh),
        _ => still(reader, format, &fresh),
    };
    match made {
        Ok(picture) => {
            fs::rename(&fresh, file).map_err(Error::internal)?;
            Ok(Some(picture))
        }
        Err(error) => {
            let _ = fs::remove_file(&fresh);
            Err(error)
        }
    }
}

fn broken() -> Error {
    Error::invalid("", "That picture is damaged, or larger than we can show. Try another copy of it.")
}

/// The pixels of a picture, upright and as large as is kept.
fn decode(mut reader: ImageReader<BufReader<File>>) -> Result<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(WIDEST);
    limits.max_image_height = Some(WIDEST);
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| broken())?;
    let orientation = decoder.orientation().map_err(|_| broken())?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|_| broken())?;
    if image.width().max(image.height()) > LONGEST {
        image = image.resize(LONGEST, LONGEST, FilterType::CatmullRom);
    }
    image.apply_orientation(orientation);
    Ok(image)
}

fn is_transparent(image: &DynamicImage) -> bool {
    image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

/// The picture in the widths that pages want, as WebP, the narrowest first; the first frame of one that moves.
fn sizes(file: &Path) -> Result<Vec<Sized>> {
    let (reader, _) = open(file)?.ok_or_else(|| {
        Error::invalid("", "That is no picture that we can show. Send a JPEG, PNG, WebP or GIF.")
    })?;
    let image = decode(reader)?;
    let image =
        if is_transparent(&image) { image.to_rgba8().into() } else { DynamicImage::from(image.to_rgb8()) };
    let own = image.width();
    // Those that are enough narrower than it is, and itself.
    let widths = WIDTHS.iter().copied().filter(|width| width * 5 / 4 < own).chain([own.min(WIDTHS[2])]);
    let mut made = Vec::new();
    for width in widths {
        let height = (u64::from(image.height()) * u64::from(width)).div_ceil(u64::from(own)).max(1) as u32;
        let scaled = image.resize_exact(width, height, FilterType::CatmullRom);
        let encoder = webp::Encoder::from_image(&scaled).map_err(|_| broken())?;
        let bytes = encoder.encode_simple(false, WEBP_QUALITY).map_err(|_| broken())?.to_vec();
        made.push(Sized { size: (i64::from(width), i64::from(height)), bytes });
    }
    Ok(made)
}

fn still(reader: ImageReader<BufReader<File>>, format: ImageFormat, to: &PathBuf) -> Result<Picture> {
    let image = decode(reader)?;
    let size = (i64::from(image.width()), i64::from(image.height()));
    let transparent = is_transparent(&image);
    if transparent || format == ImageFormat::Png {
        let mut bytes = Vec::new();
        let rgb = if transparent { image.to_rgba8().into() } else { DynamicImage::from(image.to_rgb8()) };
        rgb.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)).map_err(Error::internal)?;
        if transparent || bytes.len() <= LOSSLESS {
            write(to, &bytes)?;
            return Ok(Picture { media_type: "image/webp", size });
        }
    }
    let mut bytes = Vec::new();
    let rgb = DynamicImage::from(image.to_rgb8());
    rgb.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).map_err(Error::internal)?;
    write(to, &bytes)?;
    Ok(Picture { media_type: "image/jpeg", size })
}

fn write(to: &PathBuf, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = File::create(to)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::internal)
}

/// Copies the frames of a GIF as they are, and nothing that stands between them.
fn animation(from: &Path, to: &PathBuf) -> Result<Picture> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(gif::MemoryLimit::Bytes(
        std::num::NonZeroU64::new(MEMORY).unwrap_or(std::num::NonZeroU64::MIN),
    ));
    let file = File::open(from).map_err(Error::internal)?;
    let mut decoder = options.read_info(BufReader::new(file)).map_err(|_| broken())?;
    let (width, height) = (decoder.width(), decoder.height());
    if width == 0 || height == 0 || u32::from(width.max(height)) > LONGEST * 2 {
        return Err(broken());
    }
    let palette = decoder.global_palette().unwrap_or_default().to_vec();
    let out = BufWriter::new(File::create(to).map_err(Error::internal)?);
    let mut encoder = Encoder::new(out, width, height, &palette).map_err(Error::internal)?;
    let (mut frames, mut pixels) = (0, 0);
    while let Some(frame) = decoder.read_next_frame().map_err(|_| broken())? {
        frames += 1;
        pixels += usize::from(frame.width) * usize::from(frame.height);
        if frames > FRAMES || pixels > FRAMES_PIXELS {
            return Err(broken());
        }
        if frames == 2 {
            encoder.set_repeat(Repeat::Infinite).map_err(Error::internal)?;
        }
        let mut frame = frame.clone();
        frame.needs_user_input = false;
        if frames == 1 && frame.dispose == DisposalMethod::Any {
            frame.dispose = DisposalMethod::Keep;
        }
        encoder.write_frame(&frame).map_err(|_| broken())?;
    }
    if frames == 0 {
        return Err(broken());
    }
    let out = encoder.into_inner().map_err(Error::internal)?;
    let file = out.into_inner().map_err(Error::internal)?;
    file.sync_all().map_err(Error::internal)?;
    Ok(Picture { media_type: "image/gif", size: (i64::from(width), i64::from(height)) })
}
