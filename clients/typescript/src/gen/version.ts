// A copy out of package.json.
export const version = "0.1.0";
