//! Uploaded pictures: decoded to their pixels and encoded again, so that nothing but the picture remains: no location
//! where it was taken, no second file hidden in the first.

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

/// The maximum number of pictures that wait or are processed; their files are on disk meanwhile.
const MAX_WAITING: usize = 64;

/// The longest side of a stored picture, in pixels: the width of a large screen.
const MAX_STORED_SIDE: u32 = 2560;

/// The longest side of an accepted picture, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The memory for decoding one picture: enough for fifty million pixels.
const MAX_DECODE_BYTES: u64 = 224 * 1024 * 1024;

/// The limits of an animation, over all its frames: a minute of a small one.
const MAX_FRAMES: usize = 600;
const MAX_FRAMES_PIXELS: usize = 400_000_000;

/// The largest lossless result, in bytes. A larger one is a photograph, for which lossy compression is better.
const MAX_LOSSLESS_BYTES: usize = 3 * 1024 * 1024;

/// The quality of photographs, from 0 to 100.
const JPEG_QUALITY: u8 = 86;

/// The widths of pictures on pages, in pixels: for a phone, a laptop and a large screen.
const WIDTHS: [u32; 3] = [480, 960, 1920];

/// The quality of pictures on pages, from 0 to 100.
const WEBP_QUALITY: f32 = 80.0;

/// The service that processes pictures, on bounded pools.
pub struct Pictures {
    pool: Pool,
    /// A pool of its own, so that drawings do not wait for photographs.
    drawing: Pool,
}

/// A processed picture.
#[derive(Debug)]
pub struct Picture {
    pub media_type: &'static str,
    /// Width and height in pixels.
    pub size: (i64, i64),
}

/// A processed picture in one width.
pub struct Sized {
    /// Width and height in pixels.
    pub size: (i64, i64),
    /// The picture as WebP.
    pub bytes: Vec<u8>,
}

impl Pictures {
    /// Creates the service.
    #[expect(clippy::new_without_default, reason = "creating pools should be explicit")]
    pub fn new() -> Self {
        Pictures { pool: Pool::new(MAX_WAITING), drawing: Pool::new(MAX_WAITING) }
    }

    /// Encodes the file again, if it is a picture in a format that browsers show. Any other file is unchanged, and the
    /// result is `None`: such a file can be downloaded, and is never shown. Refuses pictures that would take too much
    /// memory.
    pub async fn reencode(&self, file: &Path) -> Result<Option<Picture>> {
        let file = file.to_owned();
        self.pool.run(move || reencode(&file)).await
    }

    /// Runs a drawing on its pool.
    pub async fn draw(&self, draw: impl FnOnce() -> Result<Vec<u8>> + Send + 'static) -> Result<Vec<u8>> {
        self.drawing.run(draw).await
    }

    /// Encodes a file as a picture of a page, in several widths, without any metadata.
    pub async fn sizes(&self, file: &Path) -> Result<Vec<Sized>> {
        let file = file.to_owned();
        self.pool.run(move || sizes(&file)).await
    }
}

/// Opens a picture, if its format is one that browsers show.
fn open(file: &Path) -> Result<Option<(ImageReader<BufReader<File>>, ImageFormat)>> {
    let reader =
        ImageReader::open(file).and_then(ImageReader::with_guessed_format).map_err(Error::internal)?;
    let shown = [ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP];
    let format = reader.format().filter(|format| shown.contains(format));
    Ok(format.map(|format| (reader, format)))
}

fn reencode(file: &Path) -> Result<Option<Picture>> {
    let Some((reader, format)) = open(file)? else { return Ok(None) };
    let target = file.with_extension("fresh.part");
    let encoded = match format {
        ImageFormat::Gif => animation(file, &target),
        _ => still(reader, format, &target),
    };
    match encoded {
        Ok(picture) => {
            fs::rename(&target, file).map_err(Error::internal)?;
            Ok(Some(picture))
        }
        Err(error) => {
            let _ = fs::remove_file(&target);
            Err(error)
        }
    }
}

fn broken() -> Error {
    Error::invalid("", "That picture is damaged, or larger than we can show. Try another copy of it.")
}

/// Decodes a picture, and returns it upright and scaled down to the stored size.
fn decode(mut reader: ImageReader<BufReader<File>>) -> Result<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| broken())?;
    let orientation = decoder.orientation().map_err(|_| broken())?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(|_| broken())?;
    if image.width().max(image.height()) > MAX_STORED_SIDE {
        image = image.resize(MAX_STORED_SIDE, MAX_STORED_SIDE, FilterType::CatmullRom);
    }
    image.apply_orientation(orientation);
    Ok(image)
}

fn is_transparent(image: &DynamicImage) -> bool {
    image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

/// Encodes a picture in the widths of pages, the narrowest first. Of an animation only the first frame is used.
fn sizes(file: &Path) -> Result<Vec<Sized>> {
    let (reader, _) = open(file)?.ok_or_else(|| {
        Error::invalid("", "That is no picture that we can show. Send a JPEG, PNG, WebP or GIF.")
    })?;
    let image = decode(reader)?;
    let image =
        if is_transparent(&image) { image.to_rgba8().into() } else { DynamicImage::from(image.to_rgb8()) };
    let full = image.width();
    // The widths that are clearly narrower than the picture, and the picture's own width.
    let widths = WIDTHS.iter().copied().filter(|width| width * 5 / 4 < full).chain([full.min(WIDTHS[2])]);
    let mut sizes = Vec::new();
    for width in widths {
        let height = (u64::from(image.height()) * u64::from(width)).div_ceil(u64::from(full)).max(1) as u32;
        let scaled = image.resize_exact(width, height, FilterType::CatmullRom);
        let encoder = webp::Encoder::from_image(&scaled).map_err(|_| broken())?;
        let bytes = encoder.encode_simple(false, WEBP_QUALITY).map_err(|_| broken())?.to_vec();
        sizes.push(Sized { size: (i64::from(width), i64::from(height)), bytes });
    }
    Ok(sizes)
}

fn still(reader: ImageReader<BufReader<File>>, format: ImageFormat, to: &PathBuf) -> Result<Picture> {
    let image = decode(reader)?;
    let size = (i64::from(image.width()), i64::from(image.height()));
    let transparent = is_transparent(&image);
    if transparent || format == ImageFormat::Png {
        let mut bytes = Vec::new();
        let rgb = if transparent { image.to_rgba8().into() } else { DynamicImage::from(image.to_rgb8()) };
        rgb.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)).map_err(Error::internal)?;
        if transparent || bytes.len() <= MAX_LOSSLESS_BYTES {
            write(to, &bytes)?;
            return Ok(Picture { media_type: "image/webp", size });
        }
    }
    let mut bytes = Vec::new();
    let rgb = DynamicImage::from(image.to_rgb8());
    rgb.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))
        .map_err(Error::internal)?;
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

/// Copies the frames of a GIF unchanged, and no other data between them.
fn animation(source: &Path, to: &PathBuf) -> Result<Picture> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(gif::MemoryLimit::Bytes(
        std::num::NonZeroU64::new(MAX_DECODE_BYTES).unwrap_or(std::num::NonZeroU64::MIN),
    ));
    let file = File::open(source).map_err(Error::internal)?;
    let mut decoder = options.read_info(BufReader::new(file)).map_err(|_| broken())?;
    let (width, height) = (decoder.width(), decoder.height());
    if width == 0 || height == 0 || u32::from(width.max(height)) > MAX_STORED_SIDE * 2 {
        return Err(broken());
    }
    let palette = decoder.global_palette().unwrap_or_default().to_vec();
    let out = BufWriter::new(File::create(to).map_err(Error::internal)?);
    let mut encoder = Encoder::new(out, width, height, &palette).map_err(Error::internal)?;
    let (mut frames, mut pixels) = (0, 0);
    while let Some(frame) = decoder.read_next_frame().map_err(|_| broken())? {
        frames += 1;
        pixels += usize::from(frame.width) * usize::from(frame.height);
        if frames > MAX_FRAMES || pixels > MAX_FRAMES_PIXELS {
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
