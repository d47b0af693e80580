// The scripts of every page. Each module improves its own markup, which also works without the script.
import "./times.js";
import "./forms.js";
import "./composer.js";
import "./feed.js";
import "./share.js";
import "./toast.js";
