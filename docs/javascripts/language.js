// The theme declares one language for the whole site; screen readers and hyphenation need the page's own.
if (location.pathname.includes("/zh/")) document.documentElement.lang = "zh-Hans";
