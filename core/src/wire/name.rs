//! What messages are called in logs and reasons.

use super::Message;

impl Message {
    /// The message's name, as in `docs/protocol.md`.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Hello(_) => "Hello",
            Message::Welcome(_) => "Welcome",
            Message::Refused { .. } => "Refused",
            Message::Heartbeat => "Heartbeat",
            Message::Goodbye { .. } => "Goodbye",
            Message::Define(_) => "Define",
            Message::Submit { .. } => "Submit",
            Message::Cancel { .. } => "Cancel",
            Message::Window { .. } => "Window",
            Message::Ask { .. } => "Ask",
            Message::Status { .. } => "Status",
            Message::Open { .. } => "Open",
            Message::Read { .. } => "Read",
            Message::Opened(_) => "Opened",
            Message::Close => "Close",
            Message::Forget { .. } => "Forget",
            Message::List { .. } => "List",
            Message::Listed { .. } => "Listed",
            Message::Why { .. } => "Why",
            Message::Because { .. } => "Because",
            Message::Stop => "Stop",
            Message::Notice { .. } => "Notice",
            Message::Register(_) => "Register",
            Message::Registered { .. } => "Registered",
            Message::Run { .. } => "Run",
            Message::Withdraw { .. } => "Withdraw",
            Message::Done(_) => "Done",
            Message::Results(_) => "Results",
            Message::Grant { .. } => "Grant",
            Message::Chunk { .. } => "Chunk",
            Message::Output(_) => "Output",
            Message::Room { .. } => "Room",
            Message::Pilot(_) => "Pilot",
            Message::Report { .. } => "Report",
            Message::Ending { .. } => "Ending",
            Message::Grow { .. } => "Grow",
            Message::Retire { .. } => "Retire",
            Message::Agreed { .. } => "Agreed",
            Message::Declined { .. } => "Declined",
            Message::Release { .. } => "Release",
        }
    }
}
