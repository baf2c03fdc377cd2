//! The grammar of `chg status`, as scripts rely on it and the manual describes it: a reader written apart from the writer.

/// What is left of a line while it is read.
struct Reader<'l> {
    line: &'l str,
    rest: &'l str,
}

type Read<T = ()> = Result<T, String>;

/// Reads a line to its end, or says where it does not follow the grammar.
pub(crate) fn read(line: &str) -> Read {
    let mut reader = Reader { line, rest: line };
    reader.literal("GPU ")?;
    reader.number()?;
    reader.literal(": ")?;
    reader.condition()?;
    while !reader.rest.is_empty() {
        reader.remark()?;
    }
    Ok(())
}

impl<'l> Reader<'l> {
    fn wrong<T>(&self, expected: &str) -> Read<T> {
        Err(format!("expected {expected} at {:?} in {:?}", self.rest, self.line))
    }

    fn has(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn literal(&mut self, text: &str) -> Read {
        if self.has(text) { Ok(()) } else { self.wrong(&format!("{text:?}")) }
    }

    fn number(&mut self) -> Read {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return self.wrong("a number");
        }
        self.rest = &self.rest[digits..];
        Ok(())
    }

    /// `0h 15m 30s`.
    fn span(&mut self) -> Read {
        for unit in ["h ", "m ", "s"] {
            self.number()?;
            self.literal(unit)?;
        }
        Ok(())
    }

    /// Free text, not empty, up to where this comes for the first time; takes that too.
    fn text_before(&mut self, end: &str) -> Read<&'l str> {
        match self.rest.find(end) {
            Some(at) if at > 0 => {
                let text = &self.rest[..at];
                self.rest = &self.rest[at + end.len()..];
                Ok(text)
            }
            _ => self.wrong(&format!("text, and {end:?}")),
        }
    }

    fn condition(&mut self) -> Read {
        if self.has("AVAILABLE (") || self.has("DRAINING (") {
            if !self.has("never used") {
                self.literal("last released ")?;
                self.span()?;
                self.literal(" ago")?;
            }
            self.literal(")")?;
            if self.has(" [validated: ") {
                self.number()?;
                self.literal("MB used]")?;
            }
            return Ok(());
        }
        if self.has("UNKNOWN (") {
            self.text_before(")")?;
            if self.has(" - reserved") {
                self.held()?;
            }
            return Ok(());
        }
        if self.rest.starts_with("IN USE WITHOUT RESERVATION") {
            return self.unreserved();
        }
        self.literal("IN USE")?;
        self.held()?;
        self.literal(" [validated: ")?;
        if !self.has("no actual usage detected]") {
            self.number()?;
            self.literal("MB, ")?;
            self.number()?;
            self.literal(" processes]")?;
        }
        if self.has(" + ") { self.unreserved() } else { Ok(()) }
    }

    /// ` by alice for 0h 15m 30s (run, last heartbeat 0h 0m 5s ago)`.
    fn held(&mut self) -> Read {
        self.literal(" by ")?;
        // What stands in parentheses behind a name is of its bearer's choosing, and ends with them.
        if self.rest.find(" (") < self.rest.find(" for ") {
            self.text_before(" (")?;
            self.text_before(")")?;
            self.literal(" for ")?;
        } else {
            self.text_before(" for ")?;
        }
        self.span()?;
        if self.has(" (run, last heartbeat ") {
            self.span()?;
            return self.literal(" ago)");
        }
        self.literal(" (manual")?;
        if self.has(", expires in ") {
            self.span()?;
        } else {
            self.has(", expired");
        }
        self.literal(")")
    }

    /// `IN USE WITHOUT RESERVATION by user bob - 1024MB used by PID 12345 (python3), PID 67890 (jupyter)`.
    fn unreserved(&mut self) -> Read {
        self.literal("IN USE WITHOUT RESERVATION by ")?;
        if self.has("users ") {
            let names = self.text_before(" - ")?;
            if !names.contains(" and ") {
                return self.wrong("more than one user");
            }
        } else if self.has("user ") || self.has("container ") {
            self.text_before(" - ")?;
        } else {
            self.literal("an unknown user - ")?;
        }
        if self.has("seat held by ") {
            if !self.has("an unknown process") {
                self.literal("PID ")?;
                self.number()?;
            }
            if !self.has(", ") {
                return Ok(());
            }
        }
        self.used()
    }

    fn used(&mut self) -> Read {
        if !self.has("used") {
            self.number()?;
            self.literal("MB used")?;
        }
        self.literal(" by ")?;
        if self.has("no process that can be seen") {
            return Ok(());
        }
        loop {
            self.literal("PID ")?;
            self.number()?;
            if self.has(" (") {
                self.text_before(")")?;
            }
            if !self.has(", ") {
                return Ok(());
            }
        }
    }

    /// ` [note: llama ablation]`, in their order.
    fn remark(&mut self) -> Read {
        let kinds = ["slices", "false record", "outside the run", "unattributed", "note", "model"];
        if !kinds.iter().any(|kind| self.has(&format!(" [{kind}: "))) {
            return self.wrong("a remark");
        }
        self.text_before("]").map(drop)
    }
}
