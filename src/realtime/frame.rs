//! WebSocket frames.

use bytes::Bytes;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// A text message with its WebSocket header (RFC 6455, section 5.2). A server's frames are not masked, so all
/// subscribers are sent the same bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    /// The length of the header in bytes.
    head: usize,
}

impl Frame {
    /// Creates the frame of a text, which has to be UTF-8.
    pub fn text(text: &[u8]) -> Self {
        let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
        let mut bytes = Vec::with_capacity(text.len() + 10);
        // Writing into memory does not fail.
        let _ = header.format(text.len() as u64, &mut bytes);
        let head = bytes.len();
        bytes.extend_from_slice(text);
        Frame { bytes: bytes.into(), head }
    }

    /// Returns the header and the payload.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the text without the header.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.head..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_and_the_opcode_of_text() {
        for (length, head) in [
            (5, &[0x81, 5][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let text = vec![b'x'; length];
            let frame = Frame::text(&text);
            assert_eq!(&frame.bytes()[..head.len()], head);
            assert_eq!(&frame.bytes()[head.len()..], text);
            assert_eq!(frame.payload(), text);
        }
    }
}
