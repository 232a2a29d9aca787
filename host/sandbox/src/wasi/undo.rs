//! `bailiwick:agent/undo`: turns what the guest says about taking an act back into an ask, which is answered at once.

use bytes::Bytes;
use vocabulary::{
    Function, HttpAsk, HttpTarget, HttpTimeouts, Method, ParseError, UNDOS_MAX, UndoAsk, UndoCovers, UndoFault, UndoRegistration,
};

use super::Reply;
use super::fields::header;
use crate::bindings::bailiwick::agent::types::{Refusal, RefusalCode};
use crate::bindings::bailiwick::agent::undo::{self, Covered, Registration, Request};
use crate::guest::Guest;

/// BOUND: header fields of the request of an undo.
const HEADERS_MAX: usize = 64;
/// BOUND: statuses that say that it is done.
const DONE_AT_MAX: usize = 8;

fn refusal(code: RefusalCode, hint: &str) -> Refusal {
    Refusal { code, hint: hint.to_owned() }
}

fn refused(fault: UndoFault) -> Refusal {
    match fault {
        UndoFault::NotGranted => refusal(RefusalCode::NotGranted, "nothing was granted that covers the request of this undo"),
        UndoFault::Malformed => refusal(RefusalCode::Malformed, "it is not well formed, changes nothing, or may not be withdrawn"),
        UndoFault::OverLimit => refusal(RefusalCode::OverLimit, "this undo is too large, or the run has too many"),
    }
}

fn covered(covered: &Covered) -> Result<UndoCovers, ParseError> {
    Ok(UndoCovers { method: Method::new(&covered.method)?, target: covered.url.parse()? })
}

fn request(request: Request) -> Result<HttpAsk, ParseError> {
    let (method, target): (_, HttpTarget) = (Method::new(&request.method)?, request.url.parse()?);
    if request.headers.len() > HEADERS_MAX {
        return Err(ParseError::new("the headers of an undo", &request.headers.len().to_string(), "at most 64"));
    }
    let field = |(name, value): (String, Vec<u8>)| {
        header(&name, value).map_err(|_| ParseError::new("a header field", &name, "a token, and a value without line ends"))
    };
    let headers = request.headers.into_iter().map(field).collect::<Result<_, _>>()?;
    Ok(HttpAsk { method, target, headers, body: Bytes::from(request.body), timeouts: HttpTimeouts::default() })
}

fn parsed(undo: Registration) -> Result<UndoRegistration, ParseError> {
    if undo.done_at.len() > DONE_AT_MAX {
        return Err(ParseError::new("the statuses of an undo", &undo.done_at.len().to_string(), "at most 8"));
    }
    Ok(UndoRegistration {
        covers: covered(&undo.covers)?,
        done_at: undo.done_at,
        pre_image: Bytes::from(undo.pre_image),
        request: request(undo.request)?,
        words: UndoRegistration::words_of(&undo.words),
    })
}

impl Guest {
    /// BOUND: each call is on the record by itself, so a guest has only so many.
    fn one_more_undo(&mut self) -> Result<(), Refusal> {
        if self.undo_calls >= UNDOS_MAX * 2 {
            return Err(refused(UndoFault::OverLimit));
        }
        self.undo_calls += 1;
        Ok(())
    }
}

impl undo::Host for Guest {
    fn register(&mut self, undo: Registration) -> Reply<u64, Refusal> {
        if let Err(refusal) = self.one_more_undo() {
            return Ok(Err(refusal));
        }
        match parsed(undo) {
            Ok(undo) => Ok(self.world.undo(UndoAsk::Register(Box::new(undo)))?.map_err(refused)),
            Err(why_not) => {
                self.refuse(Function::UndoRegister, &why_not.to_string(), true)?;
                Ok(Err(refused(UndoFault::Malformed)))
            }
        }
    }

    fn discharge(&mut self, id: u64) -> Reply<(), Refusal> {
        if let Err(refusal) = self.one_more_undo() {
            return Ok(Err(refusal));
        }
        Ok(self.world.undo(UndoAsk::Discharge(id))?.map(drop).map_err(refused))
    }
}
