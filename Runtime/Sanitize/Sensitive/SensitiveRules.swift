/// What the keys of the vendors look like, as data: one rule a line, read once at first use.
///
/// `name entropy pattern…` is a key that shows by itself. `name entropy @word,… pattern…` is one that shows only beside a word, as in
/// `word_key = "…"`; a word with `!` must be written in one case (`Okta`, not the `okTa` inside of something else). Entropy is the
/// least one in bits a character. Patterns are those of `SensitivePattern`.
enum SensitiveRules {
    static let standalone: StaticString = """
        1password-secret-key 3.2 A3-<u6>-<u11>-<u5>-<u5>-<u5> A3-<u6>-<u6>-<u5>-<u5>-<u5>-<u5>
        1password-service-account-token 4 ops_eyJ<b250,><=0,3>
        adobe-client-secret 2 p8e-<a32>
        age-secret-key 2 AGE-SECRET-KEY-1<u58>
        airtable-personal-access-token 2 pat<a14>.<h64>
        alibaba-access-key-id 2 LTAI<a20>
        anthropic-admin-api-key 2 sk-ant-admin01-<w93>AA
        anthropic-api-key 2 sk-ant-api03-<w93>AA
        artifactory-api-key 0 AKC<a10,100>
        artifactory-password 0 AP<[0123456789ABCDEF]1><a8,100>
        artifactory-reference-token 4 cmVmd<a59>
        atlassian-api-token 3.5 ATATT3<e186>
        authress-service-client-access-key 2 sc_<a5,30>.<a4,6>.acc<[_-]1><d10,32>.<c30,120> ext_<a5,30>.<a4,6>.acc<[_-]1><d10,32>.<c30,120>
        authress-service-client-access-key 2 scauth_<a5,30>.<a4,6>.acc<[_-]1><d10,32>.<c30,120> authress_<a5,30>.<a4,6>.acc<[_-]1><d10,32>.<c30,120>
        aws-access-token 0 A3T<u1><[ABCDEFGHIJKLMNOPQRSTUVWXYZ234567]16> AKIA<[ABCDEFGHIJKLMNOPQRSTUVWXYZ234567]16>
        aws-access-token 0 ASIA<[ABCDEFGHIJKLMNOPQRSTUVWXYZ234567]16> ABIA<[ABCDEFGHIJKLMNOPQRSTUVWXYZ234567]16>
        aws-access-token 0 ACCA<[ABCDEFGHIJKLMNOPQRSTUVWXYZ234567]16>
        aws-bedrock-api-key 3 ABSK<b109,269><=0,2> bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t<c0,4096>
        azure-ad-client-secret 3 <t3><n1>Q~<t31,34>
        clickhouse-cloud-api-secret-key 3 4b1d<a38>
        clojars-api-token 2 ~CLOJARS_<a60>
        cloudflare-origin-ca-key 2 v1.0-<h24>-<h146>
        databricks-api-token 3 dapi<h32> dapi<h32>-<n1>
        defined-networking-api-token 2 ~dnkey-<e26>-<e52>
        digitalocean-token 3 ~doo_v1_<H64> ~dop_v1_<H64> ~dor_v1_<H64>
        discord-webhook-url 3 discord.com/api/webhooks/<n17,20>/<w60,80> discordapp.com/api/webhooks/<n17,20>/<w60,80>
        docker-access-token 3 dckr_pat_<w27> dckr_oat_<w32>
        doppler-api-token 2 dp.pt.<a43> dp.st.<w1,40>.<a40,44> dp.ct.<a40,44> dp.sa.<a40,44> dp.scim.<a40,44> dp.audit.<a40,44>
        dropbox-short-lived-api-token 3 sl.<e135>
        duffel-api-token 2 duffel_test_<e43> duffel_live_<e43>
        dynatrace-api-token 3.5 dt0c01.<a24>.<a64>
        easypost-api-token 2 EZAK<a54> EZTK<a54>
        facebook-access-token 3 <n15,16>|<w27,40> <n15,16>%<w27,40>
        facebook-page-access-token 3.5 EAAM<a100,> EAAC<a100,>
        flutterwave-key 2 FLWSECK_TEST-<H12> ~FLWPUBK_TEST-<a32>-X ~FLWSECK_TEST-<a32>-X ~FLWSECK_TEST-<a12>
        flyio-access-token 4 fo1_<w43> fm1a_<b100,><=0,3> fm1r_<b100,><=0,3> fm2_<b100,><=0,3>
        frameio-api-token 2 fio-u-<e64>
        gcp-api-key 3.5 AIza<w35>
        gcp-oauth-client-secret 3 GOCSPX-<w28>
        gcp-oauth-access-token 3.5 ya29.<w30,2048>
        github-token 3 ghp_<a36> gho_<a36> ghu_<a36> ghs_<a36> ghr_<a36>
        github-fine-grained-pat 3 github_pat_<[ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_]82>
        gitlab-cicd-job-token 3 glcbt-<a1,5>_<w20,50> glcbt-<w20,50>
        gitlab-pat 3 glpat-<w20,50> glpat-<w27,300>.<l9> glpat-<w27,300>.<l2>.<l9>
        gitlab-runner-token 3 glrt-<w20,50> glrt-t<n1>_<w27,300>.<l9> GR1348941<w20,50>
        gitlab-token 3 gldt-<w20,50> glffct-<w20> glft-<w20,50> glsoat-<w20,50> glimt-<w25> gloas-<w64> glagent-<w50,1024> glptt-<w40>
        gitlab-session-cookie 3 _gitlab_session=<l32>
        grafana-api-key 3 ~eyJrIjoi<a70,400><=0,3>
        grafana-cloud-api-token 3 ~glc_<b32,400><=0,3>
        grafana-service-account-token 3 ~glsa_<a32>_<H8>
        groq-api-key 3 gsk_<a52>
        harness-api-key 2 pat.<w22>.<a24>.<a20> sat.<w22>.<a24>.<a20>
        hashicorp-tf-api-token 3.5 <a14>.atlasv1.<e60,70>
        heroku-api-key-v2 4 HRKU-AA<w58>
        huggingface-access-token 2 hf_<z34>
        huggingface-organization-api-token 2 api_org_<z34>
        infracost-api-token 3 ico-<a32>
        intra42-client-secret 3 s-s4t2ud-<H64> s-s4t2af-<H64>
        linear-api-key 2 lin_api_<a40>
        mailchimp-api-key 3 <h32>-us<n1,2>
        maxmind-license-key 3.5 <a6>_<a29>_mmk
        microsoft-teams-webhook 3 .webhook.office.com/webhookb2/<l8>-<l4>-<l4>-<l4>-<l12>@<l8>-<l4>-<l4>-<l4>-<l12>/IncomingWebhook/<l32>/<l8>-<l4>-<l4>-<l4>-<l12>
        new-relic-key 2 ~NRJS-<H19> ~NRII-<d32> ~NRAK-<a27>
        notion-api-token 3.5 ntn_<n11><a35>
        npm-access-token 2 ~npm_<a36>
        nuget-api-key 3 oy2<l43>
        octopus-deploy-api-key 3 API-<u26>
        openai-api-key 3 sk-<a20>T3BlbkFJ<a20> sk-proj-<w20>T3BlbkFJ<w20>
        openai-api-key 3.5 sk-proj-<w60,200> sk-svcacct-<w60,200> sk-admin-<w60,200> sk-or-v1-<h64>
        openshift-user-token 3.5 sha256~<w43>
        perplexity-api-key 3.5 pplx-<a48>
        plaid-api-token 2 access-sandbox-<h8>-<h4>-<h4>-<h4>-<h12> access-development-<h8>-<h4>-<h4>-<h4>-<h12> access-production-<h8>-<h4>-<h4>-<h4>-<h12>
        planetscale-token 3 pscale_tkn_<k32,64> pscale_oauth_<k32,64> ~pscale_pw_<k32,64>
        postman-api-token 3 PMAK-<H24>-<H34>
        prefect-api-token 2 pnu_<a36>
        pulumi-api-token 2 pul-<h40>
        pypi-upload-token 3 pypi-AgEIcHlwaS5vcmc<w50,1000> pypi-AgENdGVzdC5weXBpLm9yZw<w50,1000>
        readme-api-token 2 rdme_<l70>
        rubygems-api-token 2 rubygems_<h48>
        scalingo-api-token 2 tk-us-<w48>
        sendgrid-api-token 2 SG.<k66> SG.<w22>.<w43>
        sendinblue-api-token 2 xkeysib-<h64>-<a16>
        sentry-token 3.5 sntrys_eyJpYXQiO<b10,500><=0,2>_<b43> sntryu_<h64>
        settlemint-access-token 3 sm_aat_<a16> sm_pat_<a16> sm_sat_<a16>
        shippo-api-token 2 shippo_live_<H40> shippo_test_<H40>
        shopify-token 2 shpat_<H32> shpca_<H32> shppa_<H32> shpss_<H32>
        slack-app-token 2 ~xapp-<n1>-<a1,99>-<n1,99>-<a1,199>
        slack-bot-token 3 xoxb-<n10,13>-<n10,13><d0,80>
        slack-legacy-bot-token 2 xoxb-<n8,14>-<a18,26>
        slack-config-token 2 ~xoxe<x1>xoxb-<n1>-<a163,166> ~xoxe<x1>xoxp-<n1>-<a163,166> ~xoxe-<n1>-<a146>
        slack-user-token 2 xoxp-<n10,13>-<n10,13>-<n10,13>-<d28,34> xoxe-<n10,13>-<n10,13>-<n10,13>-<d28,34>
        slack-legacy-token 2 xoxo-<n1,99>-<n1,99>-<n1,99>-<H1,99> xoxs-<n1,99>-<n1,99>-<n1,99>-<H1,99>
        slack-legacy-token 2 ~xoxa-<n5,14>-<n5,14>-<n5,14>-<a8,64> ~xoxb-<n5,14>-<n5,14>-<n5,14>-<a8,64> ~xoxp-<n5,14>-<n5,14>-<n5,14>-<a8,64>
        slack-legacy-token 2 ~xoxr-<n5,14>-<n5,14>-<n5,14>-<a8,64>
        slack-workspace-token 2 xoxa-<a8,48> xoxr-<a8,48> xoxa-<n1>-<a8,48> xoxr-<n1>-<a8,48>
        slack-webhook-url 3 hooks<x1>slack<x1>com/services/<b38,60> hooks<x1>slack<x1>com/workflows/<b38,70> hooks<x1>slack<x1>com/triggers/<b38,70>
        sourcegraph-access-token 3 ~sgp_<H16>_<H40> ~sgp_local_<H40> ~sgp_<H40>
        square-access-token 2 EAAA<w22,60> sq0atp-<w22,60> sq0csp-<w22,60>
        stripe-access-token 2 sk_test_<a10,99> sk_live_<a10,99> sk_prod_<a10,99> rk_test_<a10,99> rk_live_<a10,99> rk_prod_<a10,99> whsec_<a32,64>
        supabase-secret-key 3 sb_secret_<w20,60> sbp_<h40>
        telegram-bot-api-token 3 <n8,10>:A<w34>
        twilio-key 0 SK<H32> SK<l32> AC<H32> AC<l32>
        typeform-api-token 2 ~tfp_<k59>
        vault-batch-token 3.5 hvb.<w138,300>
        vault-service-token 3.5 hvs.<w90,120> s.<a24>
        yandex-access-token 2 t1.<w1,80><=0,2>.<w86><=0,2>
        """

    static let besideWord: StaticString = """
        adafruit-api-key 2 @adafruit <w32>
        adobe-client-id 2 @adobe <H32>
        airtable-api-key 2 @airtable <a17>
        algolia-api-key 2 @algolia <a32>
        alibaba-secret-key 2 @alibaba <a30>
        asana-client 2 @asana <n16> <a32>
        atlassian-api-token 3 @!atlassian,!confluence,!jira <a20><H4>
        aws-secret-key 3.5 @aws,secret_access_key,secretaccesskey <b40>
        beamer-api-token 2 @beamer b_<e44>
        bitbucket-client 2 @bitbucket <a32> <e64>
        bittrex-key 2 @bittrex <a32>
        cisco-meraki-api-key 3 @!meraki <h40>
        cloudant-password 2 @cloudant,clou_,clou-,cl_,cl- <H64> <[abcdefghijklmnopqrstuvwxyz]24>
        cloudflare-api-key 2 @cloudflare <w40> <H37>
        codecov-access-token 2 @codecov <a32>
        cohere-api-token 3.5 @cohere,co_api_key <a40>
        coinbase-access-token 2 @coinbase <w64>
        confluent-key 2 @confluent <a16> <a64>
        contentful-delivery-api-token 2 @contentful <e43>
        datadog-access-token 2 @datadog <a40>
        discord-secret 2 @discord <H64> <n18> <e32>
        droneci-access-token 2 @droneci <a32>
        dropbox-api-token 2 @dropbox <a15> <a11>AAAAAAAAAA<e43> sl.<e135>
        etsy-access-token 3 @!etsy <a24>
        facebook-secret 3 @facebook <H32>
        fastly-api-token 2 @fastly <e32>
        finicity-key 2 @finicity <H32> <a20>
        finnhub-access-token 2 @finnhub <a20>
        flickr-access-token 2 @flickr <a32>
        freshbooks-access-token 2 @freshbooks <a64>
        gitter-access-token 2 @gitter <w40>
        gocardless-api-token 2 @gocardless live_<e40>
        heroku-api-key 2 @heroku <H8>-<H4>-<H4>-<H4>-<H12>
        hubspot-api-key 2 @hubspot <H8>-<H4>-<H4>-<H4>-<H12>
        ibm-cloud-iam-key 2 @ibm,cloud,iam <w44>
        ibm-cos-hmac-key 2 @secret_access_key,secret-access-key,secret_key,secret-key,secretkey,hmac,cos_ <H48>
        intercom-api-key 2 @intercom <e60>
        jfrog-key 2 @jfrog,artifactory,bintray,xray <a73> <a64>
        kraken-access-token 2 @kraken <c80,90>
        kucoin-key 2 @kucoin <H24> <H8>-<H4>-<H4>-<H4>-<H12>
        launchdarkly-access-token 2 @launchdarkly <e40>
        linear-client-secret 2 @linear <H32>
        linkedin-client 2 @linkedin,linked_in,linked-in <a14> <a16>
        lob-api-key 2 @!lob live_<H35> test_<H35> live_pub_<H31> test_pub_<H31>
        looker-client 2 @looker <a20> <a24>
        mailchimp-api-key 2 @mailchimp <H32>-us<n2>
        mailgun-key 2 @mailgun key-<H32> pubkey-<H32> <a32>-<a8>-<a8>
        mapbox-api-token 2 @mapbox ~pk.<a60>.<a22>
        mattermost-access-token 2 @mattermost <a26>
        messagebird-key 2 @messagebird,message_bird,message-bird <a25> <H8>-<H4>-<H4>-<H4>-<H12>
        netlify-access-token 2 @netlify <e40,46>
        new-relic-user-api-id 2 @new-relic,newrelic,new_relic <a64>
        nytimes-access-token 2 @nytimes,new-york-times,newyorktimes <e32>
        okta-access-token 3.5 @!okta 00<e40>
        plaid-key 3 @plaid <a24> <a30>
        privateai-api-token 3 @privateai,private_ai,private-ai <a32>
        rapidapi-access-token 2 @rapidapi <w50>
        sendbird-key 2 @sendbird <H8>-<H4>-<H4>-<H4>-<H12> <H40>
        sentry-access-token 3 @sentry <H64>
        sidekiq-secret 2 @contribsys__com <H8>:<H8>
        snyk-api-token 2 @snyk <H8>-<H4>-<H4>-<H4>-<H12>
        softlayer-key 2 @softlayer,sl_,sl- <H64>
        sonar-api-token 2 @sonar <e40> sqp_<e40> sqa_<e40> squ_<e40>
        sourcegraph-access-token 3 @sourcegraph,sgp_ <H40>
        squarespace-access-token 2 @squarespace <H8>-<H4>-<H4>-<H4>-<H12>
        sumologic-access 3 @!sumo su<a12> <a64>
        telegram-bot-api-token 2 @telegr <n5,16>:A<w34>
        travisci-access-token 2 @travis <a22>
        twitch-api-token 2 @twitch <a30>
        twitter-key 2 @twitter <a25> <a45> <a50> <n15,25>-<a20,40> AAAAAAAAAAAAAAAAAAAAAA<[ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%]80,100>
        yandex-key 2 @yandex AQVN<w35,38> ~YC<w38>
        zendesk-secret-key 2 @zendesk <a40>
        """

    /// Words that make a value worth a look when they are part of its name.
    static let secretWords: StaticString = "key token secret passw pwd creds credential auth"
}
