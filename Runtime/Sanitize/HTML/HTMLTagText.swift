/// The start and end of every tag that can be written, sixteen bytes each, so that one is written with a single store.
enum HTMLTagText {
    /// `<name`, padded with spaces.
    static var openings: StaticString {
        """
        <a              <abbr           <b              <blockquote     <br             <cite           \
        <code           <dd             <del            <dfn            <div            <dl             \
        <dt             <em             <figcaption     <figure         <h1             <h2             \
        <h3             <h4             <h5             <h6             <hr             <i              \
        <img            <ins            <kbd            <li             <mark           <ol             \
        <p              <pre            <q              <s              <samp           <small          \
        <span           <strong         <sub            <sup            <u              <ul             \
        <var            <wbr            \

        """
    }

    /// `</name>`, padded with spaces.
    static var closings: StaticString {
        """
        </a>            </abbr>         </b>            </blockquote>   </br>           </cite>         \
        </code>         </dd>           </del>          </dfn>          </div>          </dl>           \
        </dt>           </em>           </figcaption>   </figure>       </h1>           </h2>           \
        </h3>           </h4>           </h5>           </h6>           </hr>           </i>            \
        </img>          </ins>          </kbd>          </li>           </mark>         </ol>           \
        </p>            </pre>          </q>            </s>            </samp>         </small>        \
        </span>         </strong>       </sub>          </sup>          </u>            </ul>           \
        </var>          </wbr>          \

        """
    }

    /// The length of the name, as a digit or `:` for ten.
    static var lengths: StaticString { "141:2442333222:62222222133324213114546331233" }
}
