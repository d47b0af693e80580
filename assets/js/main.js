// Makes live what already works without it: each module looks for its own markup and improves it.
import "./times.js";
import "./forms.js";
import "./composer.js";
import "./feed.js";
import "./share.js";
import "./toast.js";
