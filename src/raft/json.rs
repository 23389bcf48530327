//! As much JSON as the `quorum-state` file needs: objects, arrays, strings, integers.

use std::iter::Peekable;
use std::str::Chars;

/// How deep values may be nested.
const DEPTH_MAX: usize = 8;

/// A value. What holds no number and no text is not told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A field of an object.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// An integer that fits.
    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        if let Self::Integer(value) = self { T::try_from(*value).ok() } else { None }
    }
}

/// The value that `text` is; none if it is not sound.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text.chars().peekable() };
    let value = parser.value(DEPTH_MAX)?;
    parser.skip_space();
    parser.rest.next().is_none().then_some(value)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    fn skip_space(&mut self) {
        while self.rest.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    /// Whether the next thing is `wanted`; if so it is taken.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.peek()? {
            '{' => self
                .list('{', '}', |parser| {
                    parser.skip_space();
                    let name = parser.text()?;
                    parser.takes(':').then_some(())?;
                    Some((name, parser.value(depth)?))
                })
                .map(Value::Object),
            '[' => self.list('[', ']', |parser| parser.value(depth)).map(Value::Array),
            '"' => self.text().map(Value::Text),
            _ => self.word(),
        }
    }

    fn list<T>(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.takes(open).then_some(())?;
        let mut items = Vec::new();
        if self.takes(close) {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.takes(close) {
                return Some(items);
            }
            self.takes(',').then_some(())?;
        }
    }

    fn text(&mut self) -> Option<String> {
        self.rest.next_if_eq(&'"')?;
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                plain => text.push(plain),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        match self.rest.next()? {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            same @ ('"' | '\\' | '/') => Some(same),
            'u' => {
                let digits: Vec<u32> = (0..4).map_while(|_| self.rest.next()?.to_digit(16)).collect();
                let code = digits.iter().fold(0, |code, digit| code * 16 + digit);
                (digits.len() == 4).then(|| char::from_u32(code)).flatten()
            }
            _ => None,
        }
    }

    fn word(&mut self) -> Option<Value> {
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')) {
            word.push(c);
        }
        match &*word {
            "null" => Some(Value::Null),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            number => number.parse().ok().map(Value::Integer),
        }
    }
}
