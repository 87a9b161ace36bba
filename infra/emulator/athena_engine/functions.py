"""Functions by the names Athena gives them: those that give the same here, and Athena's others, which are refused.

A function stands in SAME only where tests/test_athena_sql.py shows its value. Whatever is in neither list is no
function of Athena either.
"""

SAME = frozenset(
    name
    for names in (
        # aggregates
        "count count_if sum avg min max min_by max_by arbitrary any_value approx_distinct approx_percentile",
        "array_agg listagg map_agg histogram bool_and bool_or every stddev stddev_pop stddev_samp variance",
        "var_pop var_samp corr geometric_mean grouping",
        # window functions
        "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value",
        # text
        "length lower upper trim ltrim rtrim lpad rpad substr substring strpos position replace reverse split",
        "split_part concat concat_ws starts_with chr codepoint translate levenshtein_distance hamming_distance",
        "regexp_like regexp_extract regexp_extract_all regexp_replace regexp_count regexp_split url_decode",
        "to_hex from_hex to_utf8 from_utf8 to_base64 from_base64 md5 sha256",
        # dates and times
        "date year quarter month week week_of_year day hour minute second day_of_week dow day_of_month day_of_year",
        "doy extract date_trunc date_add date_diff date_format date_parse format_datetime from_unixtime to_unixtime",
        "from_iso8601_timestamp from_iso8601_date to_iso8601 at_timezone last_day_of_month now",
        # JSON
        "json_extract json_extract_scalar json_array_length json_size json_parse json_format is_json_scalar",
        "json_value json_query json_exists",
        # arrays and maps
        "cardinality contains element_at array_join array_distinct array_sort array_max array_min array_position",
        "array_intersect array_except array_union array_remove slice flatten sequence map map_keys map_values",
        "filter transform any_match all_match none_match unnest",
        # numbers
        "abs ceil ceiling floor round truncate sign mod power pow sqrt exp ln log log2 log10 greatest least",
        # conditions
        "coalesce nullif if try cast try_cast",
    )
    for name in names.split()
)

OTHERS = frozenset(
    name
    for names in (
        "approx_most_frequent approx_set array_first array_last array_histogram arrays_overlap asin acos atan",
        "atan2 bar beta_cdf bing_tile bing_tile_at bit_count bitwise_and bitwise_and_agg bitwise_not",
        "bitwise_or bitwise_or_agg bitwise_xor bitwise_left_shift bitwise_right_shift cbrt char2hexint",
        "checksum classify color combinations cos cosh cosine_similarity covar_pop covar_samp crc32",
        "current_catalog current_schema current_time current_timezone current_user degrees e empty_approx_set",
        "entropy features format format_number from_base from_base32 from_base64url from_big_endian_32",
        "from_big_endian_64 from_geojson_geometry from_ieee754_32 from_ieee754_64",
        "from_iso8601_timestamp_nanos from_unixtime_nanos geometry_union great_circle_distance hash_counts",
        "hmac_md5 hmac_sha1 hmac_sha256 hmac_sha512 human_readable_seconds index infinity",
        "intersection_cardinality inverse_beta_cdf inverse_normal_cdf ip_prefix is_finite is_infinite is_nan",
        "is_subnet_of jaccard_index json_array json_array_contains json_array_get json_object json_table",
        "kurtosis learn_classifier learn_regressor luhn_check make_set_digest map_concat map_entries",
        "map_filter map_from_entries map_union map_zip_with merge merge_set_digest millisecond multimap_agg",
        "multimap_from_entries murmur3 nan ngrams normal_cdf normalize numeric_histogram parse_data_size",
        "parse_datetime parse_duration pi qdigest_agg quantile_at_value radians rand random reduce reduce_agg",
        "regexp_position regr_intercept regr_slope render repeat rgb sha1 sha512 shuffle simplify_geometry",
        "sin sinh skewness soundex split_to_map split_to_multimap spooky_hash_v2_32 spooky_hash_v2_64 st_area",
        "st_contains st_distance st_geometryfromtext st_point strrpos tan tanh tdigest_agg timezone_hour",
        "timezone_minute to_base to_base32 to_base64url to_big_endian_32 to_big_endian_64 to_geojson_geometry",
        "to_ieee754_32 to_ieee754_64 to_milliseconds transform_keys transform_values trim_array typeof",
        "url_encode url_extract_fragment url_extract_host url_extract_parameter url_extract_path",
        "url_extract_port url_extract_protocol url_extract_query uuid value_at_quantile values_at_quantiles",
        "version width_bucket wilson_interval_lower wilson_interval_upper with_timezone",
        "word_stem xxhash64 year_of_week yow zip zip_with",
    )
    for name in names.split()
)
"""Functions of Athena that the local Athena does not have."""

MOST_ARGUMENTS = {
    **dict.fromkeys(("array_agg", "array_sort", "count", "min", "max", "sum", "from_unixtime", "sign", "date"), 1),
    **dict.fromkeys(("strpos", "split", "max_by", "min_by", "approx_percentile", "json_array_length", "trim"), 2),
    **dict.fromkeys(("ltrim", "rtrim", "length", "json_parse", "json_format", "truncate", "flatten"), 1),
    **dict.fromkeys(("array_distinct", "array_max", "array_min", "histogram", "approx_distinct"), 1),
    **dict.fromkeys(("filter", "transform", "map", "array_remove", "round", "map_agg", "json_size"), 2),
}
"""Of these, calls with more arguments mean something here that is not held, or mean another thing in the engine."""
