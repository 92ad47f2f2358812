//! Parameters as text, read into the struct of a route: what serde derives for it decides which there are.

use std::fmt::Display;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Given;
use crate::error::ApiError;

/// What is wrong, and with which parameter where that is known.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Wrong {
    parameter: Option<String>,
    why: String,
}

impl serde::de::Error for Wrong {
    fn custom<T: Display>(why: T) -> Self {
        Self { parameter: None, why: why.to_string() }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let near = |known: &&&str| strsim::damerau_levenshtein(known, field);
        let nearest = expected.iter().min_by_key(near);
        let nearest = nearest.filter(|known| near(known) <= known.len().max(field.len()) / 2);
        let remedy = match nearest {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None if expected.is_empty() => "this route takes none.".into(),
            None => format!("known are: {}.", expected.join(", ")),
        };
        let parameter = field.chars().take(80).collect();
        Self { parameter: Some(parameter), why: format!("this parameter is not known here; {remedy}") }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let given: String = variant.chars().take(80).collect();
        Self::custom(format!("\"{given}\" is not valid; valid are: {}.", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { parameter: Some(field.into()), why: "this parameter is required.".into() }
    }
}

/// Reads parameters into the struct of a route.
pub(super) fn read<T: DeserializeOwned>(given: Given) -> Result<T, ApiError> {
    T::deserialize(Text { given }).map_err(|wrong| match wrong.parameter {
        Some(parameter) => ApiError::Parameter { parameter, why: wrong.why },
        None => ApiError::Refused { why: wrong.why },
    })
}

/// All parameters of a request.
struct Text {
    given: Given,
}

impl<'de> Deserializer<'de> for Text {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(Named { rest: self.given.into_iter(), next: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Named {
    rest: std::collections::btree_map::IntoIter<String, Vec<String>>,
    next: Option<(String, Vec<String>)>,
}

impl<'de> MapAccess<'de> for Named {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.next = self.rest.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: StringDeserializer<Wrong> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, values) = self.next.take().expect("serde asks for a value after its key");
        let named = |wrong: Wrong| Wrong { parameter: Some(wrong.parameter.unwrap_or(name)), ..wrong };
        seed.deserialize(Values { values }).map_err(named)
    }
}

/// All values of one parameter.
struct Values {
    values: Vec<String>,
}

impl Values {
    fn one(mut self) -> Result<String, Wrong> {
        match self.values.len() {
            1 => Ok(self.values.remove(0)),
            count => Err(serde::de::Error::custom(format!("it is given {count} times; once is allowed."))),
        }
    }

    fn number<T: std::str::FromStr>(self) -> Result<T, Wrong> {
        let text = self.one()?;
        text.trim().parse().map_err(|_| {
            let given: String = text.chars().take(80).collect();
            serde::de::Error::custom(format!("\"{given}\" is not a whole number within bounds."))
        })
    }

    fn fraction(self) -> Result<f64, Wrong> {
        let text = self.one()?;
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let given: String = text.chars().take(80).collect();
            serde::de::Error::custom(format!("\"{given}\" is not a number."))
        })
    }

    fn flag(self) -> Result<bool, Wrong> {
        let text = self.one()?;
        match text.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" | "t" | "true" | "on" | "1" => Ok(true),
            "n" | "no" | "f" | "false" | "off" | "0" | "none" | "" => Ok(false),
            _ => {
                let given: String = text.chars().take(80).collect();
                Err(serde::de::Error::custom(format!("\"{given}\" is not valid; valid are: true, false.")))
            }
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            visitor.$visit(self.number()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Values {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_string(self.one()?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_bool(self.flag()?)
    }

    numbers! {
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_f64(self.fraction()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Each { rest: self.values.into_iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let word: StringDeserializer<Wrong> = self.one()?.into_deserializer();
        visitor.visit_enum(word)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 u8 u16 f32 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Each {
    rest: std::vec::IntoIter<String>,
}

impl<'de> SeqAccess<'de> for Each {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let next = self.rest.next();
        next.map(|text| seed.deserialize(Values { values: vec![text] })).transpose()
    }
}
