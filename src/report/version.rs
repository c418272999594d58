//! The version of the report's JSON form, and who may read what.

use serde::Deserialize;

use super::Report;

/// Major version of the report's form. A larger one than this build knows is refused.
const SCHEMA_MAJOR: u32 = 1;
/// Minor version of the report's form. A larger one only adds fields, which are passed over.
const SCHEMA_MINOR: u32 = 3;

/// A JSON text that is not a report of this version.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It was written by a later version.
    #[error(
        "the report has version {found}, this crosswire reads up to {}; use a newer crosswire",
        schema_version()
    )]
    NewerMajor {
        /// The version it states.
        found: String,
    },
    /// `schema_version` is not `major.minor`.
    #[error(
        "`schema_version` is `{found}`, not of the form `{}`",
        schema_version()
    )]
    BadVersion {
        /// What it states.
        found: String,
    },
    /// It is not JSON, or a field is missing or of another type.
    #[error("the text is not a report: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// The version of the JSON report that this build writes, `major.minor`.
pub fn schema_version() -> String {
    format!("{SCHEMA_MAJOR}.{SCHEMA_MINOR}")
}

/// Reads a JSON report. Fields that a later minor version added are passed over.
///
/// # Errors
/// The text is not a report, or is of a newer major version.
pub fn read(json: &str) -> Result<Report, ReadError> {
    /// The one field that every version has.
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: String,
    }

    let found = serde_json::from_str::<Versioned>(json)?.schema_version;
    let (major, minor) = match found.split_once('.') {
        Some((major, minor)) => (major.parse::<u32>(), minor.parse::<u32>()),
        None => return Err(ReadError::BadVersion { found }),
    };
    match (major, minor) {
        (Ok(major), Ok(_)) if major > SCHEMA_MAJOR => Err(ReadError::NewerMajor { found }),
        (Ok(SCHEMA_MAJOR), Ok(_)) => Ok(serde_json::from_str(json)?),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(ReadError::BadVersion { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn another_version_is_read_or_refused() {
        let read_as = |version: &str| {
            let mut value = serde_json::to_value(sample::passed()).unwrap();
            value["schema_version"] = version.into();
            value["from_the_future"] = 1.into();
            read(&value.to_string())
                .map(drop)
                .map_err(|e| e.to_string())
        };
        assert_eq!(read_as("1.0"), Ok(()));
        assert_eq!(read_as("1.7"), Ok(()));
        for (version, message) in [
            (
                "2.0",
                "the report has version 2.0, this crosswire reads up to 1.3; use a newer crosswire",
            ),
            ("0.9", "`schema_version` is `0.9`, not of the form `1.3`"),
            ("one", "`schema_version` is `one`, not of the form `1.3`"),
        ] {
            assert_eq!(read_as(version), Err(message.to_owned()));
        }
        assert!(matches!(read("{}"), Err(ReadError::Malformed(_))));
    }

    #[test]
    fn a_report_without_the_fields_of_a_later_minor_is_read() {
        let mut value = serde_json::to_value(sample::passed()).unwrap();
        value["schema_version"] = "1.0".into();
        for field in ["lab_quirks", "lab_profile"] {
            assert!(value.as_object_mut().unwrap().remove(field).is_some());
        }
        let read_back = value["read_back"].as_object_mut().unwrap();
        assert!(read_back.remove("unsteady_sessions").is_some());
        let mut expected = sample::passed();
        expected.schema_version = "1.0".to_owned();
        assert_eq!(read(&value.to_string()).unwrap(), expected);
    }
}
