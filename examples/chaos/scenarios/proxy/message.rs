//! HTTP/1.1 messages, as far as a proxy has to understand them.

use std::io::{BufRead, BufReader, ErrorKind, Read};

/// A head with its empty line, and a body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Reads a request, whose length is announced; none at the end of the connection.
    pub(super) fn read_request(from: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let Some(head) = read_head(from)? else { return Ok(None) };
        let mut request = Self { head, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |value| value.parse().unwrap());
        request.body.resize(length, 0);
        from.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    /// Reads the head of an answer; the body comes until the connection ends.
    pub(super) fn read_answer_head<R: Read>(from: &mut BufReader<R>) -> std::io::Result<Self> {
        let head = read_head(from)?.ok_or(ErrorKind::UnexpectedEof)?;
        Ok(Self { head, body: Vec::new() })
    }

    /// A refusal by somebody who is not the API server.
    pub(super) fn refusal(code: u16, retry_after: Option<u32>) -> Self {
        let body =
            format!(r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"code":{code}}}"#);
        let retry = retry_after.map_or(String::new(), |s| format!("Retry-After: {s}\r\n"));
        let head = format!(
            "HTTP/1.1 {code} Refused\r\nContent-Type: application/json\r\n{retry}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self { head, body: body.into_bytes() }
    }

    pub(super) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The status of an answer.
    pub(super) fn code(&self) -> u16 {
        self.first_line().split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value.trim())
    }

    /// The same message with another `Connection` header, or without any.
    pub(super) fn with_connection(mut self, value: Option<&str>) -> Self {
        let is_connection = |line: &str| {
            line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("connection"))
        };
        let kept = self.head.lines().filter(|line| !line.is_empty() && !is_connection(line));
        let mut head = kept.fold(String::new(), |head, line| head + line + "\r\n");
        if let Some(value) = value {
            head = head + "Connection: " + value + "\r\n";
        }
        self.head = head + "\r\n";
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

fn read_head(from: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if from.read_line(&mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        if matches!(&head[before..], "\r\n" | "\n") {
            return Ok(Some(head));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_one_after_the_other_and_changed_in_one_header() {
        let first = "POST /a HTTP/1.1\r\nContent-Length: 3\r\nconnection: x\r\n\r\nabc";
        let text = format!("{first}GET /b HTTP/1.1\r\n\r\n");
        let mut from = BufReader::new(text.as_bytes());
        let first = Message::read_request(&mut from).unwrap().unwrap();
        assert_eq!((first.first_line(), &first.body[..]), ("POST /a HTTP/1.1", &b"abc"[..]));
        let second = Message::read_request(&mut from).unwrap().unwrap();
        assert_eq!(second.first_line(), "GET /b HTTP/1.1");
        assert!(Message::read_request(&mut from).unwrap().is_none());
        let changed = first.with_connection(Some("close"));
        let expected = "POST /a HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        assert_eq!(changed.bytes(), expected.as_bytes());
        let refusal = Message::refusal(429, Some(1));
        assert_eq!((refusal.code(), refusal.header("retry-after")), (429, Some("1")));
    }
}
