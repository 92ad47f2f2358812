//! Devices and weights as people write them.

use super::*;

#[test]
fn a_device_is_a_path_below_dev_or_a_description() {
    let choice: DeviceChoice = "/dev/disk/by-id/wwn-0x5".parse().unwrap();
    assert_eq!(choice.to_string(), "/dev/disk/by-id/wwn-0x5");
    for text in ["sdb", "/etc/passwd", "/dev/../etc/passwd", "/dev/", "/dev/sd b", "/dev/sd;b", ""] {
        assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
    }
    let choice: DeviceChoice = "detect:INTEL:800G:1".parse().unwrap();
    assert_eq!(choice.to_string(), "detect:INTEL:800G:1");
    assert_eq!(serde_json::to_string(&choice).unwrap(), "\"detect:INTEL:800G:1\"");
    for text in [
        "detect:INTEL:800G",
        "detect::800G:0",
        "detect:INTEL:much:0",
        "detect:INTEL:800G:-1",
        "detect:a:0G:0",
    ] {
        assert!(text.parse::<DeviceChoice>().is_err(), "{text}");
    }
}

#[test]
fn a_description_fits_by_name_in_any_case_and_by_size_within_three_percent() {
    let choice: DeviceChoice = "detect:intel:800G:0".parse().unwrap();
    assert!(choice.fits("ATA INTEL SSDSC2BX80", 800_166_076_416));
    assert!(choice.fits("Intel", 776_000_000_000));
    assert!(choice.fits("Intel", 824_000_000_000));
    assert!(!choice.fits("Intel", 775_999_999_999));
    assert!(!choice.fits("Intel", 824_000_000_001));
    assert!(!choice.fits("Samsung", 800_000_000_000));
    assert!(!"/dev/sdb".parse::<DeviceChoice>().unwrap().fits("sdb", 1));
    let binary: DeviceChoice = "detect:loop:1GiB:0".parse().unwrap();
    assert!(binary.fits("loop", 1 << 30));
    let decimals: DeviceChoice = "detect:x:1.6TB:0".parse().unwrap();
    assert!(decimals.fits("x", 1_600_321_314_816));
}

#[test]
fn weights_are_kept_to_the_millionth() {
    assert_eq!(Weight::of(1.0).unwrap().text(), "1.000000");
    assert_eq!(Weight::of(0.0125).unwrap().text(), "0.012500");
    for number in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        assert_eq!(Weight::of(number), None);
    }
}

#[test]
fn a_database_has_the_part_of_its_osd_or_the_size_that_was_asked() {
    assert_eq!(DbSize::Ratio(50_000).of(100 << 30), 5 << 30);
    assert_eq!(DbSize::Bytes(1 << 30).of(100 << 30), 1 << 30);
    assert_eq!(DbSize::Ratio(1).of(1000), 1 << 20, "there is always some");
}

#[test]
fn only_known_flags_are_flags_and_who_gives_another_is_told_all() {
    for flag in OsdFlag::ALL {
        assert_eq!(flag.as_str().parse(), Ok(flag));
    }
    let said = "sortbitwise".parse::<OsdFlag>().unwrap_err().to_string();
    for flag in OsdFlag::ALL {
        assert!(said.contains(flag.as_str()), "{said}");
    }
}

#[test]
fn an_osd_is_named_by_its_number() {
    assert_eq!("3".parse(), Ok(OsdId(3)));
    assert_eq!("osd.3".parse(), Ok(OsdId(3)));
    for text in ["", "-1", "three", "99999999999", "2147483648"] {
        assert!(text.parse::<OsdId>().is_err(), "{text}");
    }
}
